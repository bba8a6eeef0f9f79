//! Base62 with a fixed number of digits: letters and digits only, so that a double click selects a whole credential.

use zeroize::Zeroizing;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u32 = 62;
/// Digits that are worked on at a time: the most whose numbers fit 32 bits. Keys are read with every request.
const STEP: usize = 5;

/// Writes `bytes`, read as one big-endian number of whole 32-bit words, as exactly `digits` digits. The caller gives enough of
/// them: 22 for 16 bytes, 43 for 32, 6 for 4.
pub(super) fn encode_into(bytes: &[u8], digits: usize, out: &mut String) {
    let mut number = Zeroizing::new(words(bytes));
    let mut encoded = Zeroizing::new(vec![0; digits]);
    for slots in encoded.rchunks_mut(STEP) {
        let mut remainder = 0;
        for word in number.iter_mut() {
            let value = remainder << 32 | u64::from(*word);
            *word = (value / u64::from(BASE.pow(STEP as u32))) as u32;
            remainder = value % u64::from(BASE.pow(STEP as u32));
        }
        let mut rest = remainder as u32;
        for slot in slots.iter_mut().rev() {
            *slot = DIGITS[(rest % BASE) as usize];
            rest /= BASE;
        }
    }
    out.extend(encoded.iter().map(|digit| char::from(*digit)));
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|word| word.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
        .collect()
}

/// Reads digits back into `out`, which holds whole 32-bit words. None for a character that is no digit, and for a number that
/// does not fit: every number has one spelling.
pub(super) fn decode_into(text: &[u8], out: &mut [u8]) -> Option<()> {
    let mut number = Zeroizing::new(vec![0_u32; out.len() / 4]);
    for characters in text.chunks(STEP) {
        let mut carry = 0;
        for character in characters {
            carry = carry * u64::from(BASE) + u64::from(digit(*character)?);
        }
        let factor = u64::from(BASE.pow(characters.len() as u32));
        for word in number.iter_mut().rev() {
            let value = u64::from(*word) * factor + carry;
            *word = value as u32;
            carry = value >> 32;
        }
        if carry != 0 {
            return None;
        }
    }
    for (bytes, word) in out.chunks_exact_mut(4).zip(number.iter()) {
        bytes.copy_from_slice(&word.to_be_bytes());
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
