//! Errors as RFC 9457 problems.
//!
//! A handler's error becomes an empty response that carries the [`Error`] as an extension. The pipeline, which knows the
//! request's id, writes the body and the one log line; a page's layer may write HTML instead.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use types::id::RequestId;
use types::{Error, ErrorCode, FieldError};
use utoipa::ToSchema;

/// The error of a handler: any [`Error`], by `?`.
#[derive(Debug)]
pub struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Problem(error)
    }
}

/// The error behind a response, for the layers around the handler.
#[derive(Clone)]
pub struct Reported(pub Arc<Error>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(secs) = self.0.retry_after_secs() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.0.code().status() == 401 {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Reported(Arc::new(self.0)));
        response
    }
}

/// The body of every error answer (RFC 9457, `application/problem+json`). Further members depend on the code.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// A reference that identifies the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What happened here, and what to do next.
    pub detail: String,
    pub code: ErrorCode,
    /// Quote it to support; it is in the server's log.
    pub request_id: Option<RequestId>,
    /// What is wrong with which field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub members: Map<String, Value>,
}

impl ProblemBody {
    pub fn new(error: &Error, request_id: Option<RequestId>) -> Self {
        let code = error.code();
        ProblemBody {
            kind: format!("/problems/{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: error.detail().to_owned(),
            code,
            request_id,
            errors: error.fields().to_vec(),
            members: error.members().clone(),
        }
    }
}
