//! What a part hands to the server: the one seam for everything that runs upward.

use std::any::{Any, TypeId};
use std::pin::Pin;
use std::sync::Arc;

use storage::Table;
use tokio_util::sync::CancellationToken;
use types::Permission;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::authenticate::Authenticator;
use crate::jobs::Handlers;
use crate::outbox::Subscriber;

/// Work that runs as long as the node does: it ends soon after the token is cancelled, and answers whoever waits on it.
pub type Task = fn(App, CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// A part of the product, ready to be composed.
#[derive(Default)]
pub struct Module {
    pub name: &'static str,
    /// API routes, with their descriptions.
    pub routes: OpenApiRouter<App>,
    /// Routes with an idempotency of their own, which the HTTP one must not wrap.
    pub self_idempotent_routes: OpenApiRouter<App>,
    /// Pages and assets: not part of the API.
    pub pages: axum::Router<App>,
    pub jobs: Handlers,
    /// Long-running work of every node, started with the server and stopped before it ends.
    pub tasks: Vec<Task>,
    pub subscribers: Vec<Subscriber>,
    pub authenticators: Vec<Arc<dyn Authenticator>>,
    /// The permissions that the part's operations ask for.
    pub permissions: &'static [Permission],
    /// Every table of the part.
    pub tables: &'static [Table],
    pub(crate) services: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Module {
    pub fn new(name: &'static str) -> Self {
        Module {
            name,
            ..Module::default()
        }
    }

    /// Adds a long-lived object of the part, to be found by [`App::service`].
    pub fn with_service<T: Send + Sync + 'static>(mut self, service: Arc<T>) -> Self {
        self.services.push((TypeId::of::<T>(), service));
        self
    }
}
