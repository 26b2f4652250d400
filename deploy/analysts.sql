-- A role that reads a warehouse on DuckLake and cannot write to it. Run it once on the catalog's database, as the user of
-- TL_HUBSPOT_WAREHOUSE__CATALOG or a superuser, with the schema of TL_HUBSPOT_WAREHOUSE__NAME in the place of tl_hubspot.
create role tl_hubspot_analysts login password PASSWORD;
grant usage on schema tl_hubspot to tl_hubspot_analysts;
grant select on all tables in schema tl_hubspot to tl_hubspot_analysts;
-- small tables lie in the catalog itself, in tables made as they are needed
alter default privileges in schema tl_hubspot grant select on tables to tl_hubspot_analysts
