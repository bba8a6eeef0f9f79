//! What a page of usage was asked for, as its address says it.

use commerce::features::Feature;
use commerce::usage::{DimensionFilter, Granularity};
use jiff::ToSpan;
use jiff::tz::TimeZone;
use types::Timestamp;

use crate::frame::{Shopkeeper, with_parameter};

/// How usage is broken down by nobody else than who used it.
pub(super) const BY_CUSTOMER: &str = "customer";

/// What the address names. What it leaves out is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// A feature's key.
    pub feature: String,
    pub span: Span,
    /// [`BY_CUSTOMER`], or the name of a dimension.
    pub by: String,
    /// Only this customer's, by id or external id.
    pub customer: String,
    pub filters: Vec<DimensionFilter>,
}

impl Asked {
    pub(super) fn read(query: Option<&str>) -> Self {
        let mut asked = Asked {
            feature: String::new(),
            span: Span::Month,
            by: String::new(),
            customer: String::new(),
            filters: Vec::new(),
        };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "feature" => asked.feature = value.into_owned(),
                "span" => asked.span = Span::named(&value),
                "by" => asked.by = value.into_owned(),
                "customer" => asked.customer = value.trim().to_owned(),
                "filter" => {
                    asked
                        .filters
                        .extend(value.split_once(':').map(|(name, value)| DimensionFilter {
                            name: name.to_owned(),
                            value: value.to_owned(),
                        }))
                }
                _ => {}
            }
        }
        asked
    }

    /// Fills in what the address left out, and leaves out what is not of the feature.
    pub(super) fn settle(mut self, feature: &Feature) -> Self {
        self.feature.clone_from(&feature.key);
        let is_of_feature = |name: &str| feature.dimensions.iter().any(|dimension| dimension == name);
        self.filters.retain(|filter| is_of_feature(&filter.name));
        if !is_of_feature(&self.by) {
            let first = feature.dimensions.first().map(String::as_str);
            // One customer is not broken down by customer while there is anything else.
            self.by = match (self.by.as_str(), self.customer.is_empty()) {
                (BY_CUSTOMER, _) | (_, true) => BY_CUSTOMER,
                (_, false) => first.unwrap_or(BY_CUSTOMER),
            }
            .to_owned();
        }
        self
    }

    pub(super) fn of_feature(&self, feature: &str) -> Self {
        Asked {
            feature: feature.to_owned(),
            by: String::new(),
            filters: Vec::new(),
            ..self.clone()
        }
    }

    pub(super) fn over(&self, span: Span) -> Self {
        Asked { span, ..self.clone() }
    }

    pub(super) fn by(&self, name: &str) -> Self {
        Asked {
            by: name.to_owned(),
            ..self.clone()
        }
    }

    /// Narrowed to a customer; to all of them again by an empty one.
    pub(super) fn of_customer(&self, customer: &str) -> Self {
        Asked {
            customer: customer.to_owned(),
            by: String::new(),
            ..self.clone()
        }
    }

    /// Narrowed to one value of a dimension.
    pub(super) fn only(&self, name: &str, value: &str) -> Self {
        let mut narrowed = self.without(name);
        narrowed.filters.push(DimensionFilter {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        narrowed
    }

    pub(super) fn without(&self, name: &str) -> Self {
        let mut wider = self.clone();
        wider.filters.retain(|filter| filter.name != name);
        wider
    }

    /// The address of `path` among the pages of usage, asked for this.
    pub(super) fn href(&self, keeper: &Shopkeeper, path: &str) -> String {
        let named = [
            ("feature", self.feature.as_str()),
            ("span", self.span.word()),
            ("by", self.by.as_str()),
            ("customer", self.customer.as_str()),
        ];
        let href = named
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .fold(keeper.href(&format!("/usage{path}")), |href, (name, value)| {
                with_parameter(&href, name, value)
            });
        self.filters.iter().fold(href, |href, filter| {
            with_parameter(&href, "filter", &format!("{}:{}", filter.name, filter.value))
        })
    }
}

/// How far back, and how finely. Each is few enough points for a page that is light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Span {
    pub(super) const ALL: [Span; 5] = [Span::Day, Span::Week, Span::Month, Span::Quarter, Span::Year];

    fn named(word: &str) -> Self {
        let known = Span::ALL.into_iter().find(|span| span.word() == word);
        known.unwrap_or(Span::Month)
    }

    /// As an address says it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Span::Day => "24h",
            Span::Week => "7d",
            Span::Month => "30d",
            Span::Quarter => "13w",
            Span::Year => "12m",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Span::Day => "24 hours",
            Span::Week => "7 days",
            Span::Month => "30 days",
            Span::Quarter => "13 weeks",
            Span::Year => "12 months",
        }
    }

    /// What one point of it stands for.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Span::Day => "hour",
            Span::Week | Span::Month => "day",
            Span::Quarter => "week",
            Span::Year => "month",
        }
    }

    pub(super) const fn granularity(self) -> Granularity {
        match self {
            Span::Day => Granularity::Hour,
            Span::Week | Span::Month => Granularity::Day,
            Span::Quarter => Granularity::Week,
            Span::Year => Granularity::Month,
        }
    }

    pub(super) const fn points(self) -> usize {
        match self {
            Span::Day => 24,
            Span::Week => 7,
            Span::Month => 30,
            Span::Quarter => 13,
            Span::Year => 12,
        }
    }

    /// An instant in the first of so many stretches of which the last is now's.
    pub(super) fn first_of(self, points: usize, now: Timestamp) -> Timestamp {
        let back = i64::try_from(points).unwrap_or(1) - 1;
        let back = match self {
            Span::Day => back.hours(),
            Span::Week | Span::Month => back.days(),
            Span::Quarter => back.weeks(),
            Span::Year => back.months(),
        };
        let first = now.to_jiff().to_zoned(TimeZone::UTC).checked_sub(back);
        first.map_or(Timestamp::EPOCH, |first| Timestamp::from_jiff(first.timestamp()))
    }

    /// How a stretch is called on an axis.
    pub(super) fn point_text(self, start: Timestamp) -> String {
        let format = match self {
            Span::Day => "%H:%M",
            Span::Year => "%b %Y",
            Span::Week | Span::Month | Span::Quarter => "%-d %b",
        };
        start.to_jiff().strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_far_as_it_makes_sense() {
        let asked = Asked::read(Some(
            "feature=calls&span=13w&by=model&customer=+acme+&filter=model:a:b&filter=x&mode=test",
        ));
        assert_eq!((asked.feature.as_str(), asked.span), ("calls", Span::Quarter));
        assert_eq!((asked.by.as_str(), asked.customer.as_str()), ("model", "acme"));
        let model = DimensionFilter {
            name: "model".to_owned(),
            value: "a:b".to_owned(),
        };
        assert_eq!(asked.filters, [model]);
        assert_eq!(Asked::read(Some("span=ages")).span, Span::Month);
    }

    #[test]
    fn the_first_stretch_is_so_many_before_the_last() {
        let now: Timestamp = "2026-03-31T12:30:00Z".parse().unwrap();
        for (span, first) in [
            (Span::Day, "2026-03-30T13:30:00.000000Z"),
            (Span::Week, "2026-03-25T12:30:00.000000Z"),
            (Span::Quarter, "2026-01-06T12:30:00.000000Z"),
            // A month without that day: its last one.
            (Span::Year, "2025-04-30T12:30:00.000000Z"),
        ] {
            assert_eq!(span.first_of(span.points(), now).to_string(), first, "{span:?}");
        }
    }
}
