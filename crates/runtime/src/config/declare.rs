//! The macro behind the table of settings, and what one row of the table says.

/// How a setting is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Integer,
    Boolean,
    /// An array in TOML; separated by commas in a flag or in the environment.
    List,
}

impl Shape {
    /// The shape with an article, for messages.
    pub const fn named(self) -> &'static str {
        match self {
            Shape::Text => "a string",
            Shape::Integer => "an integer",
            Shape::Boolean => "true or false",
            Shape::List => "an array of strings",
        }
    }
}

/// One row of the table: all that is known about a setting without its value.
#[derive(Debug)]
pub struct Setting {
    /// Name in the file; a dot separates the table from the key.
    pub key: &'static str,
    pub shape: Shape,
    /// The value may hold a secret: it has no flag (other users see a process's flags), it can be read from a file
    /// named by `<ENV>_FILE`, and it is never shown.
    pub secret: bool,
    /// Text that applies when nothing is said; `{key}` stands for another setting's value.
    pub default: &'static str,
    /// Unit of a number, or empty.
    pub unit: &'static str,
    /// The smallest and the largest number allowed.
    pub range: Option<(u64, u64)>,
    /// Sentences for the reference: the field's own documentation.
    pub meaning: &'static str,
    /// Parses a text and says how to show it, or what would have been right.
    pub(super) check: fn(&str) -> Result<String, String>,
}

impl Setting {
    /// Name of the environment variable.
    pub fn env(&self) -> String {
        format!("PLINTH_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Name of the environment variable that names a file with the value; secrets alone have one.
    pub fn env_file(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.env()))
    }

    /// The flag with its dashes; a secret has none.
    pub fn flag(&self) -> Option<String> {
        (!self.secret).then(|| format!("--{}", self.key.replace(['.', '_'], "-")))
    }
}

/// Declares the sections of the configuration. Each field is at once a documented field of a struct, a row of
/// [`SETTINGS`](super::SETTINGS) and the line of code that reads it, so that the three cannot disagree.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident in $prefix:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $key:literal)?: $ty:ty = $default:literal $(, $unit:literal, $range:expr)?;
            )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Debug, Clone)]
            pub struct $Section {
                $(
                    $(#[doc = $doc])+
                    pub $field: $ty,
                )+
            }
        )+

        /// What the server runs with. One section per concern.
        #[derive(Debug, Clone)]
        pub struct Config {
            $( $(#[doc = $about])+ pub $section: $Section, )+
        }

        /// Every setting there is, in the order of the reference.
        pub static SETTINGS: &[Setting] = &[
            $($(
                Setting {
                    key: setting_key!($prefix $field $($key)?),
                    shape: <$ty as Value>::SHAPE,
                    secret: <$ty as Value>::SECRET,
                    default: $default,
                    unit: concat!($($unit)?),
                    range: [$(Some($range),)? None][0],
                    meaning: concat!($($doc),+),
                    check: |text| <$ty as Value>::parse(text).map(|value| value.show()),
                },
            )+)+
        ];

        impl Config {
            /// Reads every field from the text that was settled for its key.
            pub(super) fn read(text: &dyn Fn(&str) -> String) -> Result<Self, String> {
                Ok(Config {
                    $(
                        $section: $Section {
                            $( $field: <$ty as Value>::parse(&text(setting_key!($prefix $field $($key)?)))?, )+
                        },
                    )+
                })
            }
        }
    };
}

/// A setting's key: the section's prefix and the field's name, unless another key was given.
macro_rules! setting_key {
    ($prefix:literal $field:ident) => {
        concat!($prefix, stringify!($field))
    };
    ($prefix:literal $field:ident $key:literal) => {
        $key
    };
}

pub(super) use {setting_key, settings};
