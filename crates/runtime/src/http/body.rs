//! What handlers take in and give out. A request that cannot be read answers with the field at fault; unknown fields are
//! refused by the bodies themselves (`#[serde(deny_unknown_fields)]`).

use axum::Json;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use types::{Error, ErrorCode};

use super::problem::Problem;

/// A JSON request body.
pub struct Body<T>(pub T);

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_bytes(request, state).await?;
        // serde takes a list for a struct, its items for the fields in their order; nobody means that.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Error::invalid("body", "must be a JSON object").into());
        }
        Ok(Body(read_json(&bytes)?))
    }
}

/// A JSON request body that is one object or a list of them, for whoever answers for each by itself. A content type that says
/// which of the two it is, such as `application/cloudevents-batch+json`, is held to it.
pub struct OneOrMany {
    pub values: Vec<Value>,
    /// Whether it was a list; otherwise there is one value.
    pub is_list: bool,
}

impl<S: Send + Sync> FromRequest<S> for OneOrMany {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = essence(&request).to_ascii_lowercase();
        let (may_be_one, may_be_list) = match kind.as_str() {
            "application/json" => (true, true),
            kind => (!kind.ends_with("-batch+json"), kind.ends_with("-batch+json")),
        };
        let bytes = json_bytes(request, state).await?;
        match read_json(&bytes)? {
            Value::Array(values) if may_be_list => Ok(OneOrMany {
                values,
                is_list: true,
            }),
            one @ Value::Object(_) if may_be_one => Ok(OneOrMany {
                values: vec![one],
                is_list: false,
            }),
            _ if !may_be_one => Err(Error::invalid("body", format!("is not the list that {kind} is")).into()),
            _ if !may_be_list => {
                Err(Error::invalid("body", format!("is not the object that {kind} is")).into())
            }
            _ => Err(Error::invalid("body", "must be a JSON object, or a list of them").into()),
        }
    }
}

async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    if !is_json(&request) {
        return Err(Error::new(
            ErrorCode::UnsupportedMediaType,
            "Send the body as JSON, with the header Content-Type: application/json.",
        )
        .into());
    }
    Ok(Bytes::from_request(request, state).await.map_err(unreadable)?)
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| wrong_json(&error))?;
    deserializer.end().map_err(|error| {
        Error::new(
            ErrorCode::MalformedRequest,
            format!("Something follows the JSON value: {error}."),
        )
    })?;
    Ok(value)
}

fn is_json(request: &Request) -> bool {
    let essence = essence(request);
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The content type without its parameters; nothing when there is none.
fn essence(request: &Request) -> &str {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    content_type
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

/// A body that broke off or is too long.
pub(super) fn unreadable(rejection: BytesRejection) -> Error {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => Error::new(
            ErrorCode::PayloadTooLarge,
            "The body is larger than this endpoint accepts.",
        ),
        _ => Error::new(ErrorCode::MalformedRequest, "The body broke off before its end."),
    }
}

fn wrong_json(error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let inner = error.inner();
    match inner.classify() {
        serde_json::error::Category::Data => {
            let path = error.path().to_string();
            let field = if path == "." { "body".to_owned() } else { path };
            Error::invalid(field, without_position(&inner.to_string()))
        }
        _ => Error::new(
            ErrorCode::MalformedRequest,
            format!(
                "The body is not JSON: {} at line {}, column {}.",
                cause(inner),
                inner.line(),
                inner.column()
            ),
        ),
    }
}

fn cause(error: &serde_json::Error) -> String {
    without_position(&error.to_string())
}

/// serde_json appends where in the text it was; the field's path says it better.
fn without_position(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(before, _)| before)
        .to_owned()
}

/// Query parameters.
pub struct Params<T>(pub T);

impl<S, T> FromRequestParts<S> for Params<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        let value = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." { "query".to_owned() } else { path };
            Error::invalid(field, error.inner().to_string())
        })?;
        Ok(Params(value))
    }
}

/// The variable segments of the path. A segment that cannot be what it should be names nothing: 404.
pub struct Segments<T>(pub T);

impl<S, T> FromRequestParts<S> for Segments<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Segments(value)),
            Err(_) => Err(Error::not_found("thing at this address").into()),
        }
    }
}

/// 201 with the new resource.
pub struct Created<T>(pub T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}
