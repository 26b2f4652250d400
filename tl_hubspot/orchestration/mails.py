"""What Dagster sends by e-mail: the digest of a schedule, and word of a run that failed.

When that happens is `automation`, what is written `steps.digesting`; it is imported when a mail is due, because every
run imports this module.
"""

import dagster as dg

from tl_hubspot.config.settings import Settings
from tl_hubspot.orchestration.run import Platform


@dg.op(out=dg.Out(dg.Nothing), description="One e-mail to everybody in the setting `mail.to`.")
def send_digest(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    from tl_hubspot.orchestration.steps import digesting

    told = digesting.of_period(platform, platform.settings.automation.digest_period)
    if told.has_news:
        digesting.send(platform, told)
    context.add_output_metadata({"subject": told.subject, "sent": told.has_news})


def alerts(settings: Settings) -> dg.SensorDefinition:
    """Sends an e-mail about a run that failed, stopped, or was held by a limit."""
    running = settings.automation.runs("alerts")

    @dg.run_failure_sensor(
        name="failed_run_mail",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Sends an e-mail about every run that failed or was held, with what to do.",
    )
    def failed_run_mail(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        from tl_hubspot.orchestration.steps import digesting

        run = context.dagster_run
        if run.job_name == "digest":
            return dg.SkipReason("It is about the e-mail itself: another one would not get through either.")
        platform = Platform(settings)
        error = digesting.sentence_of(event.step_failure_data.error for event in context.get_step_failure_events())
        digesting.send(platform, digesting.of_failed_run(platform, run.run_id, error))
        return None

    return failed_run_mail
