//! Figures as people read them. English conventions: a comma between thousands, a point before decimals.

/// `1234567` is `1,234,567`.
pub fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        text.push('\u{2212}');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A whole number of units of which `10^scale` make one, such as a ledger amount: `(12345, 2)` is
/// `123.45`. Zeros at the end of the fraction are left out.
pub fn decimal(amount: i64, scale: u32) -> String {
    let Some(divisor) = 10_u64.checked_pow(scale).filter(|_| scale > 0) else {
        return thousands(amount);
    };
    let magnitude = amount.unsigned_abs();
    let whole = i64::try_from(magnitude / divisor).unwrap_or(i64::MAX);
    let sign = if amount < 0 { "\u{2212}" } else { "" };
    let fraction = format!("{:0width$}", magnitude % divisor, width = scale as usize);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        format!("{sign}{}", thousands(whole))
    } else {
        format!("{sign}{}.{fraction}", thousands(whole))
    }
}

/// At most four characters and a unit: `999`, `1.2k`, `12.3k`, `1M`, `4.5B`.
pub fn compact(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    let mut scaled = value.abs();
    let mut units = ["", "k", "M", "B", "T"].into_iter().peekable();
    let mut unit = units.next().unwrap_or_default();
    // 999.95 would be written 1000.0: it belongs to the next unit.
    while scaled >= 999.95 {
        let Some(next) = units.next() else { break };
        scaled /= 1000.0;
        unit = next;
    }
    let text = format!("{scaled:.1}");
    format!("{sign}{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// A share of one as a percentage: `0.1234` is `12.3%`; whole above ten thousand percent.
pub fn percent(ratio: f64) -> String {
    let value = ratio * 100.0;
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() >= 1000.0 {
        return format!("{}%", compact(value));
    }
    let text = format!("{:.1}", value.abs());
    let text = text.strip_suffix(".0").unwrap_or(&text);
    let sign = if value < 0.0 && text != "0" {
        "\u{2212}"
    } else {
        ""
    };
    format!("{sign}{text}%")
}

/// A size in binary units: `1536` is `1.5 KiB`.
pub fn bytes(size_bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if size_bytes < 1024 {
        return format!("{size_bytes} B");
    }
    let mut scaled = size_bytes as f64 / 1024.0;
    let mut unit = 0;
    while scaled >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let text = format!("{scaled:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

/// A count and its noun: `(1, "key", "keys")` is `1 key`.
pub fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_at_every_length() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1234, "\u{2212}1,234"),
            (12_480, "12,480"),
            (1_234_567, "1,234,567"),
            (i64::MIN, "\u{2212}9,223,372,036,854,775,808"),
        ] {
            assert_eq!(thousands(value), text);
        }
    }

    #[test]
    fn decimals_lose_their_trailing_zeros_and_nothing_else() {
        for (amount, scale, text) in [
            (12_345, 2, "123.45"),
            (12_300, 2, "123"),
            (5, 3, "0.005"),
            (-150, 2, "\u{2212}1.5"),
            (1_000, 0, "1,000"),
            (7, 40, "7"),
        ] {
            assert_eq!(decimal(amount, scale), text);
        }
    }

    #[test]
    fn compact_never_shows_a_thousand_of_a_unit() {
        for (value, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (999.96, "1k"),
            (1_234.0, "1.2k"),
            (999_960.0, "1M"),
            (-2_500_000.0, "\u{2212}2.5M"),
            (4.5e9, "4.5B"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(compact(value), text);
        }
    }

    #[test]
    fn percentages_and_sizes() {
        assert_eq!(percent(0.1234), "12.3%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(-0.05), "\u{2212}5%");
        assert_eq!(percent(-0.0001), "0%");
        assert_eq!(percent(123.0), "12.3k%");
        assert_eq!(percent(f64::INFINITY), "–");
        assert_eq!(
            (bytes(1023), bytes(1536)),
            ("1023 B".to_owned(), "1.5 KiB".to_owned())
        );
        assert_eq!(bytes(1024 * 1024 - 1), "1 MiB");
        assert_eq!(counted(1, "key", "keys"), "1 key");
        assert_eq!(counted(1200, "key", "keys"), "1,200 keys");
    }
}
