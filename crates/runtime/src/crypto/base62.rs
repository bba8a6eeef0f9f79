//! Base62 with a fixed number of digits: letters and digits only, so that a double click selects a whole credential.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u16 = 62;

/// Writes `bytes`, read as one big-endian number, as exactly `digits` digits. The caller gives enough of them: 22 for
/// 16 bytes, 43 for 32, 6 for 4.
pub(super) fn encode_into(bytes: &[u8], digits: usize, out: &mut String) {
    let mut number = zeroize::Zeroizing::new(bytes.to_vec());
    let mut encoded = zeroize::Zeroizing::new(vec![0; digits]);
    for slot in encoded.iter_mut().rev() {
        let mut remainder = 0;
        for byte in number.iter_mut() {
            let value = remainder << 8 | u16::from(*byte);
            *byte = (value / BASE) as u8;
            remainder = value % BASE;
        }
        *slot = DIGITS[usize::from(remainder)];
    }
    out.extend(encoded.iter().map(|digit| char::from(*digit)));
}

/// Reads digits back into `out`. None for a character that is no digit, and for a number that does not fit: every
/// number has one spelling.
pub(super) fn decode_into(text: &[u8], out: &mut [u8]) -> Option<()> {
    out.fill(0);
    for character in text {
        let mut carry = u16::from(digit(*character)?);
        for byte in out.iter_mut().rev() {
            let value = u16::from(*byte) * BASE + carry;
            *byte = value as u8;
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(())
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'Z' => Some(character - b'A' + 10),
        b'a'..=b'z' => Some(character - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(bytes: &[u8], digits: usize) -> String {
        let mut text = String::new();
        encode_into(bytes, digits, &mut text);
        text
    }

    proptest! {
        #[test]
        fn every_number_comes_back(bytes: [u8; 32]) {
            let text = encode(&bytes, 43);
            let mut back = [0; 32];
            prop_assert_eq!(decode_into(text.as_bytes(), &mut back), Some(()));
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn the_largest_numbers_fit_their_digits() {
        // Computed with Python's integers.
        assert_eq!(encode(&[0xff; 4], 6), "4gfFC3");
        assert_eq!(encode(&[0xff; 16], 22), "7n42DGM5Tflk9n8mt7Fhc7");
        assert_eq!(
            encode(&[0xff; 32], 43),
            "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"
        );
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        for text in ["4gfFC4", "zzzzzz", "00000-", "0000é"] {
            assert_eq!(decode_into(text.as_bytes(), &mut [0; 4]), None, "{text}");
        }
    }
}
