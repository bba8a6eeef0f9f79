//! How a metered feature counts: the ledger's meter as it is sent and as it is stored.

use ledger::{Aggregation, Meter, PeriodKind, Scale, Window};
use serde::{Deserialize, Serialize};
use types::{Error, Result};
use utoipa::ToSchema;

/// Distinct members that a unique count keeps when nobody says.
const DEFAULT_UNIQUE_CAP: u32 = 100_000;
/// How finely a rolling window is kept when nobody says.
const DEFAULT_ROLLING_BUCKETS: u16 = 60;

/// How a metered feature counts. All of it is fixed when the feature is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Meter)]
pub struct MeterForm {
    pub aggregation: AggregationForm,
    /// Distinct members that a unique count keeps of one period; a new member beyond is refused. 100,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub unique_cap: Option<u32>,
    /// Decimal places of its amounts, 0 to 9.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9)]
    pub scale: u8,
    pub period: PeriodForm,
    /// Length of a rolling window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 34_560_000)]
    pub rolling_secs: Option<u32>,
    /// How finely a rolling window is kept: units come back at most one bucket late. 60 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 120)]
    pub rolling_buckets: Option<u16>,
}

/// What one event does to the counter: adds its amount, adds occurrences, keeps the largest or the latest amount, or counts
/// distinct members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Aggregation)]
pub enum AggregationForm {
    Sum,
    Count,
    Max,
    Last,
    Unique,
}

/// How long a counter counts before it starts again from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Period)]
pub enum PeriodForm {
    Hour,
    Day,
    Week,
    Month,
    Year,
    Never,
    Rolling,
}

impl MeterForm {
    /// The meter, if its parts go together.
    ///
    /// # Errors
    /// `validation_failed`, naming the part of `meter` that is wrong.
    pub fn to_meter(&self) -> Result<Meter> {
        let invalid = |part: &str, message: String| Error::invalid(format!("meter.{part}"), message);
        let scale = Scale::new(self.scale).map_err(|error| invalid("scale", error.to_string()))?;
        let aggregation = self.aggregation()?;
        let period = self.period()?;
        Meter::new(aggregation, scale, period).map_err(|error| {
            let part = match error {
                ledger::MeterError::Rolling => "period",
                ledger::MeterError::Scale => "scale",
                ledger::MeterError::UniqueCap => "unique_cap",
            };
            invalid(part, error.to_string())
        })
    }

    fn aggregation(&self) -> Result<Aggregation> {
        if self.unique_cap.is_some() && self.aggregation != AggregationForm::Unique {
            return Err(Error::invalid(
                "meter.unique_cap",
                "belongs to the aggregation unique",
            ));
        }
        Ok(match self.aggregation {
            AggregationForm::Sum => Aggregation::Sum,
            AggregationForm::Count => Aggregation::Count,
            AggregationForm::Max => Aggregation::Max,
            AggregationForm::Last => Aggregation::Last,
            AggregationForm::Unique => Aggregation::Unique {
                cap: self.unique_cap.unwrap_or(DEFAULT_UNIQUE_CAP),
            },
        })
    }

    fn period(&self) -> Result<PeriodKind> {
        let named = match self.period {
            PeriodForm::Hour => PeriodKind::Hour,
            PeriodForm::Day => PeriodKind::Day,
            PeriodForm::Week => PeriodKind::Week,
            PeriodForm::Month => PeriodKind::Month,
            PeriodForm::Year => PeriodKind::Year,
            PeriodForm::Never => PeriodKind::Never,
            PeriodForm::Rolling => return self.window().map(PeriodKind::Rolling),
        };
        let (field, given) = match (self.rolling_secs, self.rolling_buckets) {
            (Some(_), _) => ("meter.rolling_secs", true),
            (None, buckets) => ("meter.rolling_buckets", buckets.is_some()),
        };
        if given {
            return Err(Error::invalid(field, "belongs to the period rolling"));
        }
        Ok(named)
    }

    fn window(&self) -> Result<Window> {
        let secs = self
            .rolling_secs
            .ok_or_else(|| Error::invalid("meter.rolling_secs", "say how long the rolling window is"))?;
        let finest = u16::try_from(secs).unwrap_or(DEFAULT_ROLLING_BUCKETS);
        let buckets = self
            .rolling_buckets
            .unwrap_or(finest.clamp(1, DEFAULT_ROLLING_BUCKETS));
        Window::new(secs, buckets).map_err(|error| {
            let field = match error {
                ledger::WindowError::Buckets => "meter.rolling_buckets",
                ledger::WindowError::Length => "meter.rolling_secs",
            };
            Error::invalid(field, error.to_string())
        })
    }
}

impl From<&Meter> for MeterForm {
    fn from(meter: &Meter) -> MeterForm {
        let (aggregation, unique_cap) = match meter.aggregation {
            Aggregation::Sum => (AggregationForm::Sum, None),
            Aggregation::Count => (AggregationForm::Count, None),
            Aggregation::Max => (AggregationForm::Max, None),
            Aggregation::Last => (AggregationForm::Last, None),
            Aggregation::Unique { cap } => (AggregationForm::Unique, Some(cap)),
        };
        let period = match meter.period {
            PeriodKind::Hour => PeriodForm::Hour,
            PeriodKind::Day => PeriodForm::Day,
            PeriodKind::Week => PeriodForm::Week,
            PeriodKind::Month => PeriodForm::Month,
            PeriodKind::Year => PeriodForm::Year,
            PeriodKind::Never => PeriodForm::Never,
            PeriodKind::Rolling(_) => PeriodForm::Rolling,
        };
        MeterForm {
            aggregation,
            unique_cap,
            scale: meter.scale.places(),
            period,
            rolling_secs: meter.window().map(Window::secs),
            rolling_buckets: meter.window().map(Window::buckets),
        }
    }
}

/// For the field of a resource: `#[serde(with = "…")]`.
pub(super) mod optional {
    use ledger::Meter;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::MeterForm;

    pub fn serialize<S: Serializer>(meter: &Option<Meter>, serializer: S) -> Result<S::Ok, S::Error> {
        meter.as_ref().map(MeterForm::from).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Meter>, D::Error> {
        let form = Option::<MeterForm>::deserialize(deserializer)?;
        form.map(|form| form.to_meter().map_err(|error| de::Error::custom(error.detail())))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(json: &str) -> Result<Meter> {
        serde_json::from_str::<MeterForm>(json).unwrap().to_meter()
    }

    fn field(json: &str) -> String {
        meter(json).unwrap_err().fields()[0].field.clone()
    }

    #[test]
    fn little_has_to_be_said() {
        let calls = meter(r#"{"aggregation":"count","period":"month"}"#).unwrap();
        assert_eq!(calls, Meter::calls(PeriodKind::Month));
        let minute = meter(r#"{"aggregation":"sum","period":"rolling","rolling_secs":30}"#).unwrap();
        assert_eq!(minute.window(), Some(Window::new(30, 30).unwrap()));
    }

    #[test]
    fn the_part_at_fault_is_named() {
        let cases = [
            (
                r#"{"aggregation":"count","period":"day","scale":2}"#,
                "meter.scale",
            ),
            (
                r#"{"aggregation":"sum","period":"day","scale":10}"#,
                "meter.scale",
            ),
            (
                r#"{"aggregation":"sum","period":"day","unique_cap":5}"#,
                "meter.unique_cap",
            ),
            (
                r#"{"aggregation":"unique","period":"day","unique_cap":0}"#,
                "meter.unique_cap",
            ),
            (
                r#"{"aggregation":"sum","period":"day","rolling_secs":5}"#,
                "meter.rolling_secs",
            ),
            (
                r#"{"aggregation":"sum","period":"day","rolling_buckets":5}"#,
                "meter.rolling_buckets",
            ),
            (
                r#"{"aggregation":"sum","period":"rolling"}"#,
                "meter.rolling_secs",
            ),
            (
                r#"{"aggregation":"max","period":"rolling","rolling_secs":60}"#,
                "meter.period",
            ),
        ];
        for (json, at) in cases {
            assert_eq!(field(json), at, "{json}");
        }
    }

    #[test]
    fn a_meter_is_shown_as_it_was_given() {
        for json in [
            r#"{"aggregation":"unique","unique_cap":10,"scale":0,"period":"month"}"#,
            r#"{"aggregation":"sum","scale":3,"period":"rolling","rolling_secs":3600,"rolling_buckets":60}"#,
        ] {
            let form = MeterForm::from(&meter(json).unwrap());
            assert_eq!(serde_json::to_string(&form).unwrap(), json);
        }
    }
}
