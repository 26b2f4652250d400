"""The properties, groups and pipeline that every new portal has, as HubSpot names and labels them.

A selection: what synchronisations meet, not all of HubSpot's hundreds. Custom properties are data, see `properties`.
"""

from __future__ import annotations

from typing import NamedTuple

BOOLEAN = ("true", "false")
TRAFFIC_SOURCES = (
    ("ORGANIC_SEARCH", "Organic Search"),
    ("PAID_SEARCH", "Paid Search"),
    ("EMAIL_MARKETING", "Email Marketing"),
    ("SOCIAL_MEDIA", "Organic Social"),
    ("REFERRALS", "Referrals"),
    ("OTHER_CAMPAIGNS", "Other Campaigns"),
    ("DIRECT_TRAFFIC", "Direct Traffic"),
    ("OFFLINE", "Offline Sources"),
    ("PAID_SOCIAL", "Paid Social"),
)
LANGUAGES = (
    ("ar", "Arabic"),
    ("bg", "Bulgarian"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("de", "German"),
    ("de-at", "German - Austria"),
    ("de-be", "German - Belgium"),
    ("de-ch", "German - Switzerland"),
    ("de-de", "German - Germany"),
    ("el", "Greek"),
    ("en", "English"),
    ("en-be", "English - Belgium"),
    ("en-gb", "English - United Kingdom"),
    ("en-ie", "English - Ireland"),
    ("en-us", "English - United States"),
    ("es", "Spanish"),
    ("es-es", "Spanish - Spain"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("fr-be", "French - Belgium"),
    ("fr-ch", "French - Switzerland"),
    ("fr-fr", "French - France"),
    ("fr-lu", "French - Luxembourg"),
    ("hu", "Hungarian"),
    ("it", "Italian"),
    ("it-it", "Italian - Italy"),
    ("ja", "Japanese"),
    ("lb", "Luxembourgish"),
    ("nl", "Dutch"),
    ("nl-be", "Dutch - Belgium"),
    ("nl-nl", "Dutch - Netherlands"),
    ("no", "Norwegian"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("pt-pt", "Portuguese - Portugal"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sv", "Swedish"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("zh", "Chinese"),
)
LIFECYCLE_STAGES = (
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
)
LEAD_STATUSES = (
    ("NEW", "New"),
    ("OPEN", "Open"),
    ("IN_PROGRESS", "In Progress"),
    ("OPEN_DEAL", "Open Deal"),
    ("UNQUALIFIED", "Unqualified"),
    ("ATTEMPTED_TO_CONTACT", "Attempted to Contact"),
    ("CONNECTED", "Connected"),
    ("BAD_TIMING", "Bad Timing"),
)
COMPANY_TYPES = (
    ("PROSPECT", "Prospect"),
    ("PARTNER", "Partner"),
    ("RESELLER", "Reseller"),
    ("VENDOR", "Vendor"),
    ("OTHER", "Other"),
)
INDUSTRIES = (
    ("ACCOUNTING", "Accounting"),
    ("COMPUTER_SOFTWARE", "Computer Software"),
    ("CONSTRUCTION", "Construction"),
    ("CONSUMER_GOODS", "Consumer Goods"),
    ("EDUCATION_MANAGEMENT", "Education Management"),
    ("HOSPITAL_HEALTH_CARE", "Hospital & Health Care"),
    ("INFORMATION_TECHNOLOGY_AND_SERVICES", "Information Technology and Services"),
    ("LEGAL_SERVICES", "Legal Services"),
    ("MARKETING_AND_ADVERTISING", "Marketing and Advertising"),
    ("RETAIL", "Retail"),
    ("WHOLESALE", "Wholesale"),
)
DEAL_TYPES = (("newbusiness", "New Business"), ("existingbusiness", "Existing Business"))
DEAL_PRIORITIES = (("low", "Low"), ("medium", "Medium"), ("high", "High"))
MARKETABLE = (("true", "Marketing contact"), ("false", "Non-marketing contact"))
UNTIL_RENEWAL = (("true", "Yes"), ("false", "No"))
OBJECT_SOURCES = (
    ("INTEGRATION", "Integration"),
    ("API", "API"),
    ("IMPORT", "Import"),
    ("CRM_UI", "CRM UI"),
    ("AUTO_ASSOCIATE_BY_DOMAIN", "Auto associate by domain"),
    ("MERGE_OBJECTS", "Merge objects"),
)
PRODUCT_TYPES = (("inventory", "Inventory"), ("non_inventory", "Non-inventory"), ("service", "Service"))

Options = tuple[tuple[str, str], ...]


class HubSpotProperty(NamedTuple):
    """A HubSpot-defined property. `flags`: r read-only value, c calculated, e external options, h hidden, d domain."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    flags: str = ""
    options: Options = ()


P = HubSpotProperty
_BOOL: Options = (("true", "True"), ("false", "False"))


def _number(name: str, label: str, flags: str = "", field_type: str = "number") -> HubSpotProperty:
    return P(name, label, "number", field_type, flags)


def _datetime(name: str, label: str, flags: str = "") -> HubSpotProperty:
    return P(name, label, "datetime", "calculation_read_time" if "c" in flags else "date", flags)


def _select(name: str, label: str, options: Options = (), flags: str = "") -> HubSpotProperty:
    return P(name, label, "enumeration", "select", flags, options)


def _checkbox(name: str, label: str, flags: str = "") -> HubSpotProperty:
    return P(name, label, "enumeration", "checkbox", flags)


def _bool(name: str, label: str, flags: str = "") -> HubSpotProperty:
    return P(name, label, "bool", "booleancheckbox", flags, _BOOL)


_EVERYWHERE = (
    _number("hs_object_id", "Record ID", "r"),
    _datetime("hs_createdate", "Object create date/time", "r"),
    _select("hs_object_source", "Record creation source", OBJECT_SOURCES, "r"),
    P("hs_object_source_id", "Record creation source ID", flags="r"),
    _select("hs_object_source_label", "Record source", OBJECT_SOURCES, "r"),
    P("hs_object_source_detail_1", "Record source detail 1", flags="r"),
    P("hs_object_source_detail_2", "Record source detail 2", flags="r"),
    P("hs_object_source_detail_3", "Record source detail 3", flags="r"),
    _number("hs_object_source_user_id", "Record creation source user ID", "r"),
    _checkbox("hs_merged_object_ids", "Merged record IDs", "r"),
    _select("hubspot_owner_id", "Owner", flags="e"),
    _datetime("hubspot_owner_assigneddate", "Owner assigned date", "r"),
    _number("hs_created_by_user_id", "Created by user ID", "r"),
    _number("hs_updated_by_user_id", "Updated by user ID", "r"),
    _checkbox("hs_tag_ids", "Tags", "e"),
)
_ADDRESS = (
    P("address", "Street Address"),
    P("city", "City"),
    P("state", "State/Region"),
    P("zip", "Postal Code"),
    P("country", "Country/Region"),
)

CATALOG: dict[str, tuple[HubSpotProperty, ...]] = {
    "contacts": (
        P("email", "Email"),
        P("firstname", "First Name"),
        P("lastname", "Last Name"),
        P("salutation", "Salutation"),
        P("jobtitle", "Job Title"),
        P("company", "Company Name"),
        P("phone", "Phone Number", field_type="phonenumber"),
        P("mobilephone", "Mobile Phone Number", field_type="phonenumber"),
        P("fax", "Fax Number"),
        P("website", "Website URL"),
        *_ADDRESS,
        P("message", "Message", field_type="textarea"),
        P("gender", "Gender"),
        P("date_of_birth", "Date of birth"),
        P("twitterhandle", "Twitter Username"),
        P("hs_linkedin_url", "LinkedIn URL"),
        P("work_email", "Work email"),
        _select("hs_language", "Preferred language", LANGUAGES),
        _select("lifecyclestage", "Lifecycle Stage", LIFECYCLE_STAGES),
        _select("hs_lead_status", "Lead Status", LEAD_STATUSES),
        _datetime("createdate", "Create Date", "r"),
        _datetime("lastmodifieddate", "Last Modified Date", "r"),
        _checkbox("hs_additional_emails", "Additional email addresses", "e"),
        P("hs_email_domain", "Email Domain", flags="r"),
        _bool("hs_email_optout", "Unsubscribed from all email", "r"),
        _bool("hs_is_unworked", "Contact unworked", "rc"),
        _bool("hs_email_bad_address", "Invalid email address", "r"),
        _number("hs_email_bounce", "Marketing emails bounced", "r"),
        P("hs_marketable_status", "Marketing contact status", "enumeration", "booleancheckbox", "r", MARKETABLE),
        _select("hs_marketable_reason_type", "Marketing contact status source type", flags="re"),
        P("hs_marketable_reason_id", "Marketing contact status source name", flags="r"),
        P(
            "hs_marketable_until_renewal",
            "Marketing contact until next update",
            "enumeration",
            "booleancheckbox",
            "r",
            UNTIL_RENEWAL,
        ),
        P("hs_all_contact_vids", "All vids for a contact", flags="r"),
        P("hs_calculated_merged_vids", "Merged vids with timestamps of a contact", flags="rc"),
        _select("hs_analytics_source", "Original Traffic Source", TRAFFIC_SOURCES),
        P("hs_analytics_source_data_1", "Original Traffic Source Drill-Down 1", flags="r"),
        P("hs_analytics_source_data_2", "Original Traffic Source Drill-Down 2", flags="r"),
        _select("hs_latest_source", "Latest Traffic Source", TRAFFIC_SOURCES),
        P("hs_latest_source_data_1", "Latest Traffic Source Drill-Down 1", flags="r"),
        P("hs_latest_source_data_2", "Latest Traffic Source Drill-Down 2", flags="r"),
        _datetime("hs_latest_source_timestamp", "Latest Traffic Source Date", "r"),
        P("hs_analytics_first_referrer", "First Referring Site", flags="r"),
        P("hs_analytics_last_referrer", "Last Referring Site", flags="r"),
        P("hs_analytics_first_url", "First Page Seen", flags="r"),
        P("hs_analytics_last_url", "Last Page Seen", flags="r"),
        _number("hs_analytics_num_page_views", "Number of Pageviews", "r"),
        _number("num_associated_deals", "Number of Associated Deals", "rc"),
        _number("hs_full_name_or_email_rank", "Full name rank", "rch"),
        *_EVERYWHERE,
    ),
    "companies": (
        P("name", "Company name"),
        P("domain", "Company Domain Name", flags="d"),
        P("website", "Website URL"),
        P("phone", "Phone Number", field_type="phonenumber"),
        P("description", "Description", field_type="textarea"),
        *_ADDRESS,
        P("address2", "Street Address 2"),
        _select("industry", "Industry", INDUSTRIES),
        _select("type", "Type", COMPANY_TYPES),
        _number("numberofemployees", "Number of Employees"),
        _number("annualrevenue", "Annual Revenue"),
        P("linkedin_company_page", "LinkedIn Company Page"),
        _select("lifecyclestage", "Lifecycle Stage", LIFECYCLE_STAGES),
        _select("hs_lead_status", "Lead Status", LEAD_STATUSES),
        _checkbox("hs_additional_domains", "Additional Domains", "e"),
        _number("hs_parent_company_id", "Parent Company", "r"),
        _datetime("createdate", "Create Date", "r"),
        _datetime("hs_lastmodifieddate", "Last Modified Date", "r"),
        _select("hs_analytics_source", "Original Traffic Source", TRAFFIC_SOURCES),
        P("hs_analytics_source_data_1", "Original Traffic Source Drill-Down 1", flags="r"),
        P("hs_analytics_source_data_2", "Original Traffic Source Drill-Down 2", flags="r"),
        _select("hs_analytics_latest_source", "Latest Traffic Source", TRAFFIC_SOURCES),
        P("hs_analytics_latest_source_data_1", "Latest Traffic Source Data 1", flags="r"),
        P("hs_analytics_latest_source_data_2", "Latest Traffic Source Data 2", flags="r"),
        _datetime("hs_analytics_latest_source_timestamp", "Latest Traffic Source Timestamp", "r"),
        _number("num_associated_contacts", "Number of Associated Contacts", "rc"),
        _number("num_associated_deals", "Number of Associated Deals", "rc"),
        *_EVERYWHERE,
    ),
    "deals": (
        P("dealname", "Deal Name"),
        _number("amount", "Amount"),
        _select("deal_currency_code", "Currency", flags="e"),
        _select("pipeline", "Pipeline", flags="e"),
        P("dealstage", "Deal Stage", "enumeration", "radio", "e"),
        P("dealtype", "Deal Type", "enumeration", "radio", "", DEAL_TYPES),
        P("description", "Deal Description", field_type="textarea"),
        _select("hs_priority", "Priority", DEAL_PRIORITIES),
        P("closed_lost_reason", "Closed Lost Reason", field_type="textarea"),
        P("closed_won_reason", "Closed Won Reason", field_type="textarea"),
        P("hs_next_step", "Next step"),
        _datetime("closedate", "Close Date"),
        _datetime("createdate", "Create Date"),
        _datetime("hs_lastmodifieddate", "Last Modified Date", "r"),
        _bool("hs_is_closed", "Is Deal Closed?", "rc"),
        _bool("hs_is_closed_won", "Is Closed Won", "rc"),
        _bool("hs_is_closed_lost", "Is closed lost", "rc"),
        _number("hs_deal_stage_probability", "Deal probability", "rc"),
        _number("amount_in_home_currency", "Amount in company currency", "rc"),
        _number("hs_exchange_rate", "Exchange rate", "rc"),
        _datetime("hs_date_entered_appointmentscheduled", "Date entered Appointment Scheduled", "rc"),
        _datetime("hs_date_entered_closedwon", "Date entered Closed Won", "rc"),
        _datetime("hs_date_entered_closedlost", "Date entered Closed Lost", "rc"),
        _select("hs_analytics_source", "Original Traffic Source", TRAFFIC_SOURCES),
        P("hs_analytics_source_data_1", "Original Traffic Source Drill-Down 1", flags="r"),
        P("hs_analytics_source_data_2", "Original Traffic Source Drill-Down 2", flags="r"),
        _select("hs_analytics_latest_source", "Latest Traffic Source", TRAFFIC_SOURCES),
        P("hs_analytics_latest_source_data_1", "Latest Traffic Source Data 1", flags="r"),
        P("hs_analytics_latest_source_data_2", "Latest Traffic Source Data 2", flags="r"),
        _number("num_associated_contacts", "Number of Associated Contacts", "rc"),
        *_EVERYWHERE,
    ),
    "products": (
        P("name", "Name"),
        P("description", "Product description", field_type="textarea"),
        _number("price", "Unit price"),
        P("hs_sku", "SKU"),
        _number("hs_cost_of_goods_sold", "Unit cost"),
        _select("hs_product_type", "Product Type", PRODUCT_TYPES),
        P("hs_url", "URL"),
        P("hs_recurring_billing_period", "Term"),
        _datetime("createdate", "Create Date", "r"),
        _datetime("hs_lastmodifieddate", "Last Modified Date", "r"),
        *_EVERYWHERE,
    ),
    "users": (
        P("hs_email", "User email", flags="r"),
        P("hs_given_name", "First name", flags="r"),
        P("hs_family_name", "Last name", flags="r"),
        P("hs_job_title", "Job title"),
        P("hs_standard_time_zone", "Time zone"),
        P("hs_working_hours", "Working hours"),
        _datetime("hs_lastmodifieddate", "Last Modified Date", "r"),
        *_EVERYWHERE,
    ),
}

GROUPS: dict[str, tuple[tuple[str, str], ...]] = {
    "contacts": (
        ("contactinformation", "Contact information"),
        ("emailinformation", "Email information"),
        ("analyticsinformation", "Web analytics history"),
    ),
    "companies": (("companyinformation", "Company information"), ("analyticsinformation", "Web analytics history")),
    "deals": (("dealinformation", "Deal information"), ("analyticsinformation", "Web analytics history")),
    "products": (("productinformation", "Product information"),),
    "users": (("userinformation", "User information"),),
}


def group_of(object_type: str, name: str) -> str:
    """The HubSpot group of a HubSpot-defined property."""
    if name.startswith(("hs_analytics_", "hs_latest_source")) and object_type in ("contacts", "companies", "deals"):
        return "analyticsinformation"
    if object_type == "contacts" and name.startswith("hs_email_"):
        return "emailinformation"
    return GROUPS[object_type][0][0]


DEFAULT_PIPELINE = ("default", "Sales Pipeline")
DEFAULT_STAGES = (
    ("appointmentscheduled", "Appointment Scheduled", "0.2", "false"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4", "false"),
    ("presentationscheduled", "Presentation Scheduled", "0.6", "false"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8", "false"),
    ("contractsent", "Contract Sent", "0.9", "false"),
    ("closedwon", "Closed Won", "1.0", "true"),
    ("closedlost", "Closed Lost", "0.0", "true"),
)

FREE_MAIL_DOMAINS = frozenset(
    {
        "gmail.com",
        "hotmail.com",
        "icloud.com",
        "live.be",
        "msn.com",
        "outlook.com",
        "proton.me",
        "protonmail.com",
        "skynet.be",
        "telenet.be",
        "yahoo.com",
    }
)

SUBSCRIPTIONS = (
    (1001, "Marketing Information", "Marketing offers and updates.", "Marketing", "Email"),
    (1002, "Newsletter", "The monthly newsletter.", "Marketing", "Email"),
    (1003, "One to One", "One to One emails.", "Sales", "Email"),
)
