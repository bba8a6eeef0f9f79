//! Amounts and money as people read and enter them.

use commerce::Amount;
use commerce::features::PeriodForm;
use types::money::Currency;
use types::{Error, Money, Result};
use ui::number;

/// Currencies that a form offers.
pub const CURRENCIES: [&str; 4] = ["usd", "eur", "gbp", "chf"];
/// ISO 4217: currencies without a minor unit.
const WHOLE: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "isk", "jpy", "kmf", "krw", "pyg", "rwf", "ugx", "uyi", "vnd", "vuv", "xaf",
    "xof",
];
/// ISO 4217: currencies whose minor unit is a thousandth.
const THOUSANDTHS: [&str; 7] = ["bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"];

/// An amount with separators between thousands.
pub fn amount_text(amount: &Amount) -> String {
    match amount {
        Amount::Integer(integer) => number::thousands(*integer),
        Amount::Decimal(text) => match text.split_once('.') {
            Some((whole, fraction)) => format!("{}.{fraction}", whole_text(whole)),
            None => whole_text(text),
        },
    }
}

fn whole_text(digits: &str) -> String {
    digits
        .parse()
        .map_or_else(|_| digits.to_owned(), number::thousands)
}

/// A limit, of which none is unlimited.
pub fn limit_text(limit: Option<&Amount>) -> String {
    limit.map_or_else(|| "Unlimited".to_owned(), amount_text)
}

/// An amount as it stands in a form.
pub fn amount_entry(amount: &Amount) -> String {
    match amount {
        Amount::Integer(integer) => integer.to_string(),
        Amount::Decimal(text) => text.clone(),
    }
}

/// The whole part of an amount, to draw by.
pub fn amount_whole(amount: &Amount) -> i64 {
    match amount {
        Amount::Integer(integer) => *integer,
        Amount::Decimal(text) => {
            let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
            whole.parse().unwrap_or(i64::MAX)
        }
    }
}

/// An amount as a chart needs it: its digits beyond what a float holds do not show.
pub fn amount_value(amount: &Amount) -> f64 {
    match amount {
        Amount::Integer(integer) => *integer as f64,
        Amount::Decimal(text) => text.parse().unwrap_or(0.0),
    }
}

/// When a count starts again: `each month`.
pub fn period_phrase(period: PeriodForm) -> &'static str {
    match period {
        PeriodForm::Hour => "each hour",
        PeriodForm::Day => "each day",
        PeriodForm::Week => "each week",
        PeriodForm::Month => "each month",
        PeriodForm::Year => "each year",
        PeriodForm::Never => "in total",
        PeriodForm::Rolling => "in a rolling window",
    }
}

/// How long a rate's time is: `a minute`, `2 hours`.
pub fn per_phrase(secs: u32) -> String {
    const UNITS: [(u32, &str, &str); 4] = [
        (86_400, "a day", "days"),
        (3_600, "an hour", "hours"),
        (60, "a minute", "minutes"),
        (1, "a second", "seconds"),
    ];
    let unit = UNITS
        .iter()
        .find(|(length, _, _)| secs >= *length && secs.is_multiple_of(*length));
    match unit {
        Some((length, one, _)) if secs == *length => (*one).to_owned(),
        Some((length, _, many)) => format!("{} {many}", number::thousands((secs / length).into())),
        None => format!("{secs} seconds"),
    }
}

/// A value of a chart for people: whole ones in full, others to the hundredth.
pub fn value_text(value: f64) -> String {
    if value.abs() >= 1e13 {
        number::compact(value)
    } else {
        number::decimal((value * 100.0).round() as i64, 2)
    }
}

fn decimals(currency: Currency) -> u32 {
    let code = currency.as_str();
    if WHOLE.contains(&code) {
        0
    } else if THOUSANDTHS.contains(&code) {
        3
    } else {
        2
    }
}

/// `$29`, `€9.90`, `1,200 JPY`.
pub fn money_text(money: Money) -> String {
    let decimals = decimals(money.currency);
    let text = number::decimal(money.amount_minor, decimals);
    let has_one_decimal = decimals == 2
        && text
            .rsplit_once('.')
            .is_some_and(|(_, fraction)| fraction.len() == 1);
    let text = if has_one_decimal { format!("{text}0") } else { text };
    match money.currency.as_str() {
        "usd" => format!("${text}"),
        "eur" => format!("€{text}"),
        "gbp" => format!("£{text}"),
        code => format!("{text} {}", code.to_uppercase()),
    }
}

/// Money as it stands in a form.
pub fn money_entry(money: Money) -> String {
    number::decimal(money.amount_minor, decimals(money.currency)).replace(',', "")
}

/// Money that was entered as `29` or `29.90`, exactly.
///
/// # Errors
/// `validation_failed`, naming the field at fault.
pub fn read_money(amount: (&str, &str), currency: (&str, &str)) -> Result<Money> {
    let unit =
        Currency::try_from(currency.1.to_owned()).map_err(|message| Error::invalid(currency.0, message))?;
    let places = decimals(unit);
    let wrong = || Error::invalid(amount.0, "must be an amount such as 29 or 29.90");
    let (whole, fraction) = amount.1.split_once('.').unwrap_or((amount.1, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > places as usize {
        return Err(wrong());
    }
    let padded = format!("{whole}{fraction:0<width$}", width = places as usize);
    Ok(Money {
        amount_minor: padded.parse().map_err(|_| wrong())?,
        currency: unit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly_and_written_back() {
        for (entered, currency, minor, text) in [
            ("29", "usd", 2900, "$29"),
            ("9.9", "eur", 990, "€9.90"),
            ("0.05", "gbp", 5, "£0.05"),
            ("1200", "jpy", 1200, "1,200 JPY"),
            ("1.005", "kwd", 1005, "1.005 KWD"),
        ] {
            let money = read_money(("price", entered), ("currency", currency)).unwrap();
            assert_eq!((money.amount_minor, money_text(money).as_str()), (minor, text));
            assert_eq!(
                read_money(("", &money_entry(money)), ("", currency)).unwrap(),
                money
            );
        }
        for entered in ["", "-1", "1,5", "1.999", "1e3", "99999999999999999999"] {
            assert!(
                read_money(("price", entered), ("currency", "usd")).is_err(),
                "{entered}"
            );
        }
    }

    #[test]
    fn values_are_written_to_the_hundredth() {
        for (value, text) in [(0.0, "0"), (1234.0, "1,234"), (0.125, "0.13"), (2.5e15, "2500T")] {
            assert_eq!(value_text(value), text);
        }
    }

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        for (secs, text) in [
            (1, "a second"),
            (90, "90 seconds"),
            (60, "a minute"),
            (7_200, "2 hours"),
            (86_400, "a day"),
            (0, "0 seconds"),
        ] {
            assert_eq!(per_phrase(secs), text);
        }
    }

    #[test]
    fn amounts_keep_every_digit() {
        let decimal = Amount::Decimal("1234567.125".to_owned());
        assert_eq!(amount_text(&decimal), "1,234,567.125");
        assert_eq!(amount_whole(&decimal), 1_234_567);
        assert_eq!(limit_text(None), "Unlimited");
    }
}
