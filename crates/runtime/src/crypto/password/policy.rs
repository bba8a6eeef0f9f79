//! Which passwords people may choose, after NIST SP 800-63B-4 §3.1.1: long, anything Unicode has, no rules about kinds of
//! characters, and none of the guesses that are tried first. It all works offline.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Entropy, Score, zxcvbn};

/// Code points that a password may have: more than anybody types, few enough to be cheap.
pub const MAX_CODE_POINTS: usize = 256;

/// How much of a password is assessed. A hostile one of 100 characters takes the estimator half a second, of 32 a tenth
/// of that; and what is weak for 32 characters is not made good by more.
const ASSESSED_CODE_POINTS: usize = 32;

/// What must be left of a password without the names and phrases in it: a year and an exclamation mark are not enough.
const MIN_OWN_CHARACTERS: usize = 8;

/// Shorter words stand in too many good passwords by chance to be taken out of them.
const MIN_TELLING_WORD: usize = 4;
const MAX_CONTEXT_WORDS: usize = 32;

/// Phrases that every list of guesses has, in lower case without spaces.
static WELL_KNOWN_PHRASES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    include_str!("well_known_phrases.txt")
        .lines()
        .map(str::to_owned)
        .collect()
});

/// How long a password must be, and how hard to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    min_code_points: usize,
    min_score: Score,
}

impl PasswordPolicy {
    /// The password alone lets its holder in: 15 characters that take more than 10^10 guesses.
    pub const SOLE_FACTOR: PasswordPolicy = PasswordPolicy {
        min_code_points: 15,
        min_score: Score::Four,
    };
    /// A second factor is always asked for: 8 characters that take more than 10^6 guesses.
    pub const WITH_SECOND_FACTOR: PasswordPolicy = PasswordPolicy {
        min_code_points: 8,
        min_score: Score::Two,
    };

    /// Whether a person may choose this password. Takes a millisecond, for a hostile one up to fifty: on a server, use
    /// [`PasswordHasher::hash_checked`](super::PasswordHasher::hash_checked), which does not hold up other requests.
    pub fn check(&self, password: &str, context: &PasswordContext) -> Result<(), PasswordRejection> {
        let start: Zeroizing<String> = Zeroizing::new(password.nfc().take(MAX_CODE_POINTS + 1).collect());
        let found = start.chars().count();
        if found < self.min_code_points {
            let min = self.min_code_points;
            return Err(PasswordRejection::TooShort { min, found });
        }
        if found > MAX_CODE_POINTS {
            return Err(PasswordRejection::TooLong);
        }
        let folded = fold(&start);
        if is_little_else_than(&folded, context.words.iter().map(String::as_str)) {
            return Err(PasswordRejection::Personal);
        }
        if is_little_else_than(&folded, WELL_KNOWN_PHRASES.iter().map(String::as_str)) {
            return Err(PasswordRejection::Common);
        }
        let entropy = context.assess(&start);
        if entropy.score() < self.min_score {
            return Err(context.main_weakness(&entropy));
        }
        Ok(())
    }
}

/// What others know about the person: no good as a password.
#[derive(Debug, Clone, Default)]
pub struct PasswordContext {
    words: BTreeSet<String>,
}

impl PasswordContext {
    /// Knows the service's own name only.
    pub fn new() -> Self {
        PasswordContext::default().with("Plinth")
    }

    /// Adds an e-mail address, a person's, workspace's or service's name, whole and by its words.
    pub fn with(mut self, known: &str) -> Self {
        let known: String = known
            .nfc()
            .take(MAX_CODE_POINTS)
            .collect::<String>()
            .to_lowercase();
        let words = known.split(|character: char| !character.is_alphanumeric());
        let words = words
            .chain([known.as_str()])
            .filter(|word| word.chars().count() >= 3);
        for word in words {
            if self.words.len() < MAX_CONTEXT_WORDS {
                self.words.insert(word.to_owned());
            }
        }
        self
    }

    /// Estimates how many guesses the password takes somebody who knows these words.
    fn assess(&self, password: &str) -> Entropy {
        let assessed: Zeroizing<String> =
            Zeroizing::new(password.chars().take(ASSESSED_CODE_POINTS).collect());
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        zxcvbn(&assessed, &words)
    }

    /// Names the longest of the parts that make the password weak.
    fn main_weakness(&self, entropy: &Entropy) -> PasswordRejection {
        let longest = entropy
            .sequence()
            .iter()
            .max_by_key(|part| part.token.chars().count());
        match longest.map(|part| &part.pattern) {
            Some(MatchPattern::Repeat(_)) => PasswordRejection::Repetitive,
            Some(MatchPattern::Sequence(_) | MatchPattern::Spatial(_)) => PasswordRejection::Sequential,
            Some(MatchPattern::Dictionary(word)) if self.words.contains(&word.matched_word) => {
                PasswordRejection::Personal
            }
            Some(MatchPattern::Dictionary(_)) => PasswordRejection::Common,
            _ => PasswordRejection::Guessable,
        }
    }
}

/// Why a password was refused, said to the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRejection {
    #[error(
        "it has {found} characters and needs at least {min}: a few unrelated words are long and easy to remember"
    )]
    TooShort { min: usize, found: usize },
    #[error("it has more than {MAX_CODE_POINTS} characters")]
    TooLong,
    #[error(
        "it is made of names that others know, such as your e-mail address, your workspace or this service"
    )]
    Personal,
    #[error("it repeats itself: saying a short thing often does not make it hard to guess")]
    Repetitive,
    #[error("it follows the keyboard, the alphabet or the digits")]
    Sequential,
    #[error("it is made of words, phrases or passwords that are tried first: choose a few unrelated words")]
    Common,
    #[error("it is easy to guess: choose a few unrelated words")]
    Guessable,
}

/// Letters and digits in lower case, as somebody hears the password.
fn fold(password: &str) -> Zeroizing<String> {
    let letters = password.chars().filter(|character| character.is_alphanumeric());
    Zeroizing::new(letters.flat_map(char::to_lowercase).collect())
}

/// Whether taking the words out leaves too little that is the person's own.
fn is_little_else_than<'a>(folded: &str, words: impl Iterator<Item = &'a str>) -> bool {
    let telling = |word: &Zeroizing<String>| word.chars().count() >= MIN_TELLING_WORD;
    let mut present: Vec<_> = words.map(fold).filter(telling).collect();
    present.retain(|word| folded.contains(word.as_str()));
    present.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut left = Zeroizing::new(folded.to_owned());
    for word in &present {
        left = Zeroizing::new(left.replace(word.as_str(), ""));
    }
    !present.is_empty() && left.chars().count() < MIN_OWN_CHARACTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str) -> Result<(), PasswordRejection> {
        let context = PasswordContext::new()
            .with("ada.lovelace@example.com")
            .with("Acme Corporation");
        PasswordPolicy::SOLE_FACTOR.check(password, &context)
    }

    #[test]
    fn good_passwords_are_accepted_whatever_they_are_written_in() {
        for password in [
            "my dog ate the blue sofa",
            "correct-purple-lamp-oven",
            "vK9#mT2$xQ7!pL4z",
            "ein langes Passwort das niemand rät",
            "日本語のパスワードを考えるのは難しい",
            "фиолетовый чайник поёт",
            "🦊🎻🌋🧀🚲🎈🪐🦑🍉🧵🛶🪁🎃🦔🧊",
            "ada lovelace met seven purple otters",
        ] {
            assert_eq!(check(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn names_without_letters_refuse_nobody() {
        let context = PasswordContext::new().with("-----").with("🦊🦊🦊🦊").with("");
        let password = "🦊🎻🌋🧀🚲🎈🪐🦑🍉🧵🛶🪁🎃🦔🧊";
        assert_eq!(PasswordPolicy::SOLE_FACTOR.check(password, &context), Ok(()));
    }

    #[test]
    fn length_is_counted_in_code_points_after_composition() {
        let fourteen = "ö-kettle-ïce-x";
        assert_eq!(
            check(fourteen),
            Err(PasswordRejection::TooShort { min: 15, found: 14 })
        );
        let decomposed: String = fourteen.nfd().collect();
        assert_eq!(decomposed.chars().count(), 16);
        assert_eq!(
            check(&decomposed),
            Err(PasswordRejection::TooShort { min: 15, found: 14 })
        );
        assert_eq!(check(&format!("{fourteen}q")), Ok(()));
    }

    #[test]
    fn the_longest_password_is_accepted_and_a_longer_one_refused_at_once() {
        let words = "otter violin lava cheese bicycle ".repeat(9);
        let longest: String = words.chars().take(MAX_CODE_POINTS).collect();
        assert_eq!(check(&longest), Ok(()));
        assert_eq!(check(&format!("{longest}x")), Err(PasswordRejection::TooLong));
        assert_eq!(check(&"x".repeat(10_000_000)), Err(PasswordRejection::TooLong));
    }

    #[test]
    fn a_second_factor_allows_a_shorter_one() {
        let context = PasswordContext::new();
        let policy = PasswordPolicy::WITH_SECOND_FACTOR;
        assert_eq!(policy.check("mK7$vq2Zt", &context), Ok(()));
        let short = PasswordRejection::TooShort { min: 8, found: 7 };
        assert_eq!(policy.check("mK7$vq2", &context), Err(short));
        assert_eq!(
            policy.check("password123", &context),
            Err(PasswordRejection::Common)
        );
    }

    #[test]
    fn each_kind_of_weakness_is_named() {
        use PasswordRejection::*;
        for (password, expected) in [
            ("passwordpassword", Repetitive),
            ("               ", Repetitive),
            ("summer2026summer2026", Repetitive),
            ("abcdefghijklmnop", Sequential),
            ("zyxwvutsrqponml", Sequential),
            ("1qaz2wsx3edc4rfv", Common),
            ("P@ssw0rd12345678", Common),
            ("supersecretpassword", Common),
            ("correct horse battery staple", Common),
            ("May the Force be with you!", Common),
            ("letmeinplease1234", Common),
            ("jesuschristislord", Common),
            ("ada.lovelace@example.com", Personal),
            ("Ada-Lovelace-2026!", Personal),
            ("Plinth-2026-Plinth", Personal),
            ("AcmeCorporation1", Personal),
        ] {
            assert_eq!(check(password), Err(expected), "{password}");
        }
    }

    #[test]
    fn refusals_say_what_to_do_and_not_what_was_typed() {
        let refusal = check("hunter2hunter2h").unwrap_err().to_string();
        assert!(!refusal.contains("hunter2"), "{refusal}");
        let short = check("short").unwrap_err().to_string();
        assert!(short.contains("at least 15"), "{short}");
    }

    #[test]
    fn the_list_of_phrases_is_folded_and_without_doubles() {
        let lines: Vec<_> = include_str!("well_known_phrases.txt").lines().collect();
        assert!(lines.is_sorted());
        assert_eq!(lines.len(), WELL_KNOWN_PHRASES.len());
        for line in lines {
            assert_eq!(fold(line).as_str(), line);
        }
    }
}
