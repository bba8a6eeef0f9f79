//! Settling what each setting's text is: flags over environment over file over default. Reads nothing by itself, so
//! that a test says what the world looks like.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::declare::{Setting, Shape};
use super::error::{ConfigError, Problem, suggestion};
use super::file::{self, Line, Raw};
use super::settings::SETTINGS;
use super::value::REDACTED;

/// Values given as flags, by key. A later one for the same key wins.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Vec<(String, String)>);

impl Overrides {
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.push((key.into(), value.into()));
    }
}

/// Everything that a configuration is made from.
pub struct Sources<'a> {
    pub overrides: Overrides,
    /// The environment; names that do not begin with `PLINTH_` are ignored.
    pub env: BTreeMap<String, String>,
    /// Reads a file's text: the configuration file, and those that `PLINTH_*_FILE` name.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Where a value was said, or should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Default,
    /// A line of the configuration file, counted from 1.
    Line(PathBuf, usize),
    /// The configuration file as a whole.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag, with its dashes.
    Flag(String),
    /// Settings that do not go together.
    Together(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::Line(path, line) => write!(f, "{} line {line}", path.display()),
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Env(name) | Place::Flag(name) => f.write_str(name),
            Place::Together(key) => f.write_str(key),
        }
    }
}

/// A setting with the text that applies to it.
#[derive(Clone)]
pub struct Settled {
    pub setting: &'static Setting,
    pub place: Place,
    /// The value in normal form, secrets left out.
    pub shown: String,
    pub(super) text: String,
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.setting.key, self.shown, self.place)
    }
}

type Said = BTreeMap<&'static str, (Place, String)>;

/// Settles every setting, in the order of the table.
pub(super) fn settle(sources: &Sources<'_>) -> Result<Vec<Settled>, ConfigError> {
    let mut problems = Vec::new();
    let flags = flags(&sources.overrides, &mut problems);
    let env = env(sources, &mut problems);
    let above = |key: &str| flags.get(key).or_else(|| env.get(key));
    let file = configuration_file(sources, &above, &mut problems);

    let mut settled: Vec<Settled> = Vec::with_capacity(SETTINGS.len());
    for setting in SETTINGS {
        let said = above(setting.key).or_else(|| file.get(setting.key)).cloned();
        let (place, text) = said.unwrap_or_else(|| (Place::Default, fill(setting.default, &settled)));
        let checked = check(setting, &text).unwrap_or_else(|message| {
            problems.push(Problem {
                place: place.clone(),
                message,
            });
            String::new()
        });
        settled.push(Settled {
            setting,
            place,
            shown: checked,
            text,
        });
    }
    if problems.is_empty() {
        Ok(settled)
    } else {
        Err(ConfigError { problems })
    }
}

/// Replaces `{key}` in a default by that setting's text.
fn fill(default: &str, settled: &[Settled]) -> String {
    settled.iter().fold(default.to_owned(), |text, other| {
        let hole = format!("{{{}}}", other.setting.key);
        if text.contains(&hole) {
            text.replace(&hole, &reachable(&other.text))
        } else {
            text
        }
    })
}

/// An address to listen on is not always one to call: "every interface" becomes this machine.
fn reachable(text: &str) -> String {
    let text = text.replacen("[::]:", "[::1]:", 1);
    match text.strip_prefix("0.0.0.0:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text,
    }
}

fn check(setting: &Setting, text: &str) -> Result<String, String> {
    let wrong = |right: &str| {
        let what = if setting.secret {
            "the value".to_owned()
        } else {
            format!("`{text}`")
        };
        Err(format!(
            "{what} is not right for `{}`: write {right}",
            setting.key
        ))
    };
    if let Some((least, most)) = setting.range {
        let right = format!("a whole number of {} from {least} to {most}", setting.unit);
        return match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number.to_string()),
            _ => wrong(&right),
        };
    }
    (setting.check)(text).or_else(|right| wrong(&right))
}

fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

fn flags(overrides: &Overrides, problems: &mut Vec<Problem>) -> Said {
    let mut said = Said::new();
    for (key, text) in &overrides.0 {
        let flag = find(key).and_then(|setting| Some((setting.key, setting.flag()?)));
        match flag {
            Some((key, flag)) if !text.is_empty() => {
                said.insert(key, (Place::Flag(flag), text.clone()));
            }
            Some(_) => {}
            None => problems.push(Problem {
                place: Place::Flag(format!("--{}", key.replace(['.', '_'], "-"))),
                message: format!("`{key}` cannot be given as a flag"),
            }),
        }
    }
    said
}

fn env(sources: &Sources<'_>, problems: &mut Vec<Problem>) -> Said {
    let mut said = Said::new();
    let mut known = Vec::new();
    for setting in SETTINGS {
        let name = setting.env();
        let text = sources.env.get(&name).filter(|text| !text.is_empty());
        if let Some(text) = text {
            said.insert(setting.key, (Place::Env(name.clone()), text.clone()));
        }
        if let Some(file_name) = setting.env_file() {
            if let Some(path) = sources.env.get(&file_name).filter(|path| !path.is_empty()) {
                let message = match secret_from(sources, path) {
                    Ok(_) if text.is_some() => Some(format!("{name} is set too: set one of the two")),
                    Ok(text) => {
                        said.insert(setting.key, (Place::Env(file_name.clone()), text));
                        None
                    }
                    Err(message) => Some(message),
                };
                let place = Place::Env(file_name.clone());
                problems.extend(message.map(|message| Problem { place, message }));
            }
            known.push(file_name);
        }
        known.push(name);
    }
    let ours = |name: &&String| name.starts_with("PLINTH_") && !name.starts_with("PLINTH_TEST_");
    for name in sources
        .env
        .keys()
        .filter(ours)
        .filter(|name| !known.contains(*name))
    {
        let meant = suggestion(name, known.iter().map(String::as_str));
        problems.push(Problem {
            place: Place::Env(name.clone()),
            message: format!("unknown environment variable{meant}"),
        });
    }
    said
}

fn secret_from(sources: &Sources<'_>, path: &str) -> Result<String, String> {
    let text = (sources.read)(Path::new(path)).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        Err(format!("`{path}` is empty"))
    } else {
        Ok(text.to_owned())
    }
}

fn configuration_file<'s>(
    sources: &Sources<'_>,
    above: &dyn Fn(&str) -> Option<&'s (Place, String)>,
    problems: &mut Vec<Problem>,
) -> Said {
    let named = above("config").filter(|(_, text)| text != "none");
    let data_dir = above("data_dir").map_or("plinth-data", |(_, text)| text.as_str());
    let path = match named {
        Some((_, path)) => PathBuf::from(path),
        None => Path::new(data_dir).join("plinth.toml"),
    };
    let text = match (sources.read)(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => return Said::new(),
        Err(error) => {
            let message = format!("cannot read the configuration file: {error}");
            problems.push(Problem {
                place: Place::File(path),
                message,
            });
            return Said::new();
        }
    };
    match file::read(&text) {
        Ok(lines) => {
            let said = lines
                .into_iter()
                .map(|line| from_line(&path, named.is_some(), line));
            said.filter_map(|said| said.map_err(|problem| problems.push(problem)).ok().flatten())
                .collect()
        }
        Err(broken) => {
            let place = Place::Line(path, broken.line);
            problems.push(Problem {
                place,
                message: broken.message,
            });
            Said::new()
        }
    }
}

type Entry = (&'static str, (Place, String));

/// A line's setting and text; nothing when the text is empty, which counts as not said.
fn from_line(path: &Path, named: bool, line: Line) -> Result<Option<Entry>, Problem> {
    let place = Place::Line(path.to_owned(), line.number);
    let problem = |message| {
        Err(Problem {
            place: place.clone(),
            message,
        })
    };
    let Some(setting) = find(&line.key) else {
        let meant = suggestion(&line.key, SETTINGS.iter().map(|setting| setting.key));
        return problem(format!("unknown key `{}`{meant}", line.key));
    };
    if setting.key == "config" || (setting.key == "data_dir" && !named) {
        let how = format!("use {} or {}", setting.flag().unwrap_or_default(), setting.env());
        return problem(format!(
            "`{}` decides which file is read, so it cannot stand in it: {how}",
            setting.key
        ));
    }
    let off = |text: &str| setting.default == "none" && text == "none";
    match line.value {
        Raw::Usable(_, text) if text.is_empty() => Ok(None),
        Raw::Usable(shape, text) if shape == setting.shape || (shape == Shape::Text && off(&text)) => {
            Ok(Some((setting.key, (place, text))))
        }
        Raw::Usable(shape, _) => problem(wrong_shape(setting, shape.named())),
        Raw::Unusable(found) => problem(wrong_shape(setting, found)),
    }
}

fn wrong_shape(setting: &Setting, found: &str) -> String {
    let example = match setting.default {
        "" | "none" => String::new(),
        default if setting.shape == Shape::Text => format!(", such as \"{default}\""),
        default => format!(", such as {default}"),
    };
    let expected = setting.shape.named();
    format!(
        "`{}` must be {expected}{example}, but {found} stands there",
        setting.key
    )
}

/// The text of a settled value as TOML; a secret is left out.
pub(super) fn toml_text(settled: &Settled) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    match settled.setting.shape {
        Shape::Integer | Shape::Boolean if settled.shown != "none" => settled.shown.clone(),
        Shape::List => {
            let elements: Vec<String> = settled
                .shown
                .split(',')
                .filter(|e| !e.is_empty())
                .map(quoted)
                .collect();
            format!("[{}]", elements.join(", "))
        }
        _ if settled.shown == REDACTED => quoted(REDACTED),
        _ => quoted(&settled.shown),
    }
}
