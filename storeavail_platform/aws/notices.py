"""What AWS tells people: messages of an SNS topic, and the CloudWatch metric that alarms watch."""

from __future__ import annotations

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storeavail_platform.aws.sessions import CLIENT, Identity, session
from storeavail_platform.domain.errors import ChannelFailed

ALERT_CLIENT = CLIENT.merge(
    Config(read_timeout=8, retries={"mode": "standard", "total_max_attempts": 2})
)
"""A sensor tick has 60 seconds; what was not sent in one is sent in the next."""
SUBJECT_LIMIT = 100
"""SNS: ASCII, one line, at most this long."""
METRICS = "storeavail"
WINDOW_AGE = "WindowAge"


def publish(aws: Identity, topic: str, subject: str, text: str) -> None:
    """Send a message to an SNS topic by its ARN.

    Raises:
        ChannelFailed: SNS does not answer, or refuses; the message tells why.
        ConfigError: see `session`.
    """
    line = " ".join(subject.encode("ascii", "replace").decode().split())[:SUBJECT_LIMIT]
    region = topic.split(":")[3]
    try:
        client = session(aws).client("sns", region_name=region, config=ALERT_CLIENT)
        client.publish(TopicArn=topic, Subject=line, Message=text)
    except (BotoCoreError, ClientError) as error:
        raise ChannelFailed(
            f"SNS topic {topic}: {error}; the role needs sns:Publish on it"
        ) from None


def put_window_age(aws: Identity, country: str, seconds: float) -> None:
    """Put the age of a country's newest observation into CloudWatch: `storeavail/WindowAge`,
    seconds, dimension Country.

    Raises:
        ChannelFailed: CloudWatch does not answer, or refuses.
        ConfigError: see `session`.
    """
    try:
        session(aws).client("cloudwatch", config=ALERT_CLIENT).put_metric_data(
            Namespace=METRICS,
            MetricData=[
                {
                    "MetricName": WINDOW_AGE,
                    "Dimensions": [{"Name": "Country", "Value": country}],
                    "Value": seconds,
                    "Unit": "Seconds",
                }
            ],
        )
    except (BotoCoreError, ClientError) as error:
        raise ChannelFailed(
            f"CloudWatch metric {WINDOW_AGE} of {country}: {error}; the role needs"
            " cloudwatch:PutMetricData"
        ) from None
