//! Log lines: JSON for machines, one coloured line for people. Both hold the same fields.

use std::fmt::Write as _;
use std::io::Write as _;

use serde::ser::{SerializeMap, Serializer};
use serde_json::Map;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use types::Timestamp;

use super::fields::{Fields, Value};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Json,
    Pretty { colour: bool },
}

/// Writes one line for each event, with the fields of the spans that it happened in.
pub(super) struct LogLayer<W> {
    pub look: Look,
    pub writer: W,
}

/// A span's name and fields.
type Scope = (&'static str, Fields);

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let scopes = scopes(event, &context);
        let mut line = match self.look {
            Look::Json => json(event.metadata(), &fields, &scopes),
            Look::Pretty { colour } => pretty(event.metadata(), &fields, &scopes, colour),
        };
        line.push('\n');
        // A log that cannot be written has nowhere to say so.
        let _ = self
            .writer
            .make_writer_for(event.metadata())
            .write_all(line.as_bytes());
    }
}

/// The spans that an event happened in, outermost first.
pub(super) fn scopes<S>(event: &Event<'_>, context: &Context<'_, S>) -> Vec<Scope>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(scope) = context.event_scope(event) else {
        return Vec::new();
    };
    let fields =
        |span: &tracing_subscriber::registry::SpanRef<'_, S>| span.extensions().get::<Fields>().cloned();
    scope
        .from_root()
        .map(|span| (span.name(), fields(&span).unwrap_or_default()))
        .collect()
}

/// Names that the line itself uses; a field with such a name gets a prefix.
const OWN_NAMES: [&str; 5] = ["time", "level", "target", "message", "spans"];

fn json(metadata: &Metadata<'_>, fields: &Fields, scopes: &[Scope]) -> String {
    let mut line = Vec::with_capacity(256);
    // Serializing text and numbers into memory cannot fail.
    let _ = write_json(&mut line, metadata, fields, scopes);
    String::from_utf8_lossy(&line).into_owned()
}

fn write_json(
    line: &mut Vec<u8>,
    metadata: &Metadata<'_>,
    fields: &Fields,
    scopes: &[Scope],
) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::new(line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("time", &Timestamp::now())?;
    map.serialize_entry("level", level(metadata))?;
    map.serialize_entry("target", metadata.target())?;
    map.serialize_entry("message", &fields.message)?;
    for (name, value) in &fields.others {
        if OWN_NAMES.contains(name) {
            map.serialize_entry(&format!("field.{name}"), value)?;
        } else {
            map.serialize_entry(name, value)?;
        }
    }
    if !scopes.is_empty() {
        let spans: Vec<Map<String, serde_json::Value>> = scopes.iter().map(span_object).collect();
        map.serialize_entry("spans", &spans)?;
    }
    map.end()
}

fn span_object((name, fields): &Scope) -> Map<String, serde_json::Value> {
    let own = ("name".to_owned(), serde_json::Value::from(*name));
    let others = fields.others.iter();
    let others = others.map(|(name, value)| {
        (
            (*name).to_owned(),
            serde_json::to_value(value).unwrap_or_default(),
        )
    });
    std::iter::once(own).chain(others).collect()
}

fn level(metadata: &Metadata<'_>) -> &'static str {
    match *metadata.level() {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn pretty(metadata: &Metadata<'_>, fields: &Fields, scopes: &[Scope], colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let level_colour = match *metadata.level() {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG | Level::TRACE => "34",
    };
    let now = Timestamp::now().to_string();
    let time = now.get(11..23).unwrap_or(&now);
    let mut line = format!(
        "{} {} {} {}",
        paint("2", time),
        paint(level_colour, &format!("{:>5}", level(metadata))),
        paint("2", metadata.target()),
        printable(&fields.message),
    );
    for (name, value) in scopes
        .iter()
        .flat_map(|(_, fields)| &fields.others)
        .chain(&fields.others)
    {
        // Writing to a String cannot fail.
        let _ = write!(line, " {}{}", paint("2", &format!("{name}=")), shown(value));
    }
    line
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() || text.contains(char::is_whitespace) => format!("{:?}", text),
        other => printable(&other.to_string()),
    }
}

/// Control characters escaped, so that a text from outside can neither forge a line nor drive the terminal.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    printable
}
