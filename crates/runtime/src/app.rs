//! What every handler, job and command works with. Cheap to clone.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use storage::blobs::Blobs;
use storage::cache::Cache;
use storage::{Db, Issuer};
use types::Timestamp;
use types::id::JobId;
use types::{Error, PermissionSet, Result};

use crate::authenticate::Authenticator;
use crate::caller::{Actor, Caller};
use crate::clock::Clock;
use crate::config::{Base, Config, Environment, Limits};
use crate::crypto::password::PasswordHasher;
use crate::crypto::{DerivedKey, RootKeys, purpose};
use crate::http::LastHealth;
use crate::jobs::Handlers;
use crate::mail::Mailer;
use crate::module::Module;
use crate::node::Node;
use crate::outbox::Subscriber;
use crate::sealer::Sealer;

/// What this program is.
#[derive(Debug, Clone)]
pub struct Build {
    pub version: &'static str,
    pub sha: String,
    pub env: Environment,
}

/// Everything an [`App`] is put together from.
pub struct Parts {
    pub config: Config,
    pub build: Build,
    pub db: Db,
    pub issuer: Issuer,
    pub blobs: Blobs,
    pub cache: Cache,
    pub clock: Clock,
    pub root_keys: RootKeys,
    pub passwords: PasswordHasher,
    pub mailer: Mailer,
    pub node: Node,
}

/// The running system, as its parts see it.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    csrf_key: DerivedKey,
    pepper: DerivedKey,
    sealer: Sealer,
    last_health: LastHealth,
    authenticators: Vec<Arc<dyn Authenticator>>,
    handlers: Handlers,
    subscribers: Vec<Subscriber>,
    services: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl App {
    /// Puts the system together. The modules' routes are not part of it: they are mounted around it.
    pub fn new(parts: Parts, modules: &mut [Module]) -> Self {
        let root = parts.root_keys.current();
        let (csrf_key, pepper) = (root.derive(purpose::CSRF), root.derive(purpose::API_KEY_PEPPER));
        let sealer = Sealer::new(parts.root_keys.clone());
        let mut handlers = crate::jobs::own_handlers();
        let mut authenticators = Vec::new();
        let mut subscribers = Vec::new();
        let mut services = HashMap::new();
        for module in modules {
            handlers.extend(std::mem::take(&mut module.jobs));
            authenticators.append(&mut module.authenticators);
            subscribers.append(&mut module.subscribers);
            services.extend(module.services.drain(..));
        }
        let inner = Inner {
            parts,
            csrf_key,
            pepper,
            sealer,
            last_health: LastHealth::default(),
            authenticators,
            handlers,
            subscribers,
            services,
        };
        App {
            inner: Arc::new(inner),
        }
    }

    pub fn config(&self) -> &Config {
        &self.inner.parts.config
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.parts.config.limits
    }

    pub fn build(&self) -> &Build {
        &self.inner.parts.build
    }

    pub fn db(&self) -> &Db {
        &self.inner.parts.db
    }

    pub fn blobs(&self) -> &Blobs {
        &self.inner.parts.blobs
    }

    pub fn cache(&self) -> &Cache {
        &self.inner.parts.cache
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.parts.clock
    }

    pub fn now(&self) -> Timestamp {
        self.inner.parts.clock.now()
    }

    pub fn node(&self) -> &Node {
        &self.inner.parts.node
    }

    pub fn passwords(&self) -> &PasswordHasher {
        &self.inner.parts.passwords
    }

    pub fn mailer(&self) -> &Mailer {
        &self.inner.parts.mailer
    }

    pub fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }

    pub(crate) fn last_health(&self) -> &LastHealth {
        &self.inner.last_health
    }

    pub fn root_keys(&self) -> &RootKeys {
        &self.inner.parts.root_keys
    }

    /// The key that tokens against cross-site requests are made with.
    pub fn csrf_key(&self) -> &DerivedKey {
        &self.inner.csrf_key
    }

    /// What API keys are hashed with, besides themselves.
    pub fn api_key_pepper(&self) -> &DerivedKey {
        &self.inner.pepper
    }

    /// A part's own long-lived object, such as the queue of the group commit.
    ///
    /// # Errors
    /// Internal, when the part was not composed in.
    pub fn service<T: Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        let service = self.inner.services.get(&TypeId::of::<T>()).cloned();
        let service = service.and_then(|service| service.downcast::<T>().ok());
        service.ok_or_else(|| Error::internal(format!("no service {}", std::any::type_name::<T>())))
    }

    /// The caller that an operator's command acts as.
    pub fn operator(&self, tenant: storage::Tenant) -> Caller {
        Caller::new(tenant, Actor::Operator, PermissionSet::ALL, None, None)
    }

    /// The caller that a job acts as, with the permissions of its kind.
    pub(crate) fn job_caller(
        &self,
        tenant: storage::Tenant,
        job: JobId,
        permissions: PermissionSet,
    ) -> Caller {
        Caller::new(tenant, Actor::Job(job), permissions, None, None)
    }

    /// Makes scopes: for the code that authenticates, for start-up and for operators' commands.
    pub fn issuer(&self) -> &Issuer {
        &self.inner.parts.issuer
    }

    pub(crate) fn authenticators(&self) -> &[Arc<dyn Authenticator>] {
        &self.inner.authenticators
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.inner.handlers
    }

    pub(crate) fn subscribers(&self) -> &[Subscriber] {
        &self.inner.subscribers
    }

    /// The address of a path of ours, for links in mails and redirects. Never made from a request's `Host`.
    pub fn url(&self, path: &str) -> String {
        format!(
            "{}{path}",
            self.config().server.public_url.as_str().trim_end_matches('/')
        )
    }

    /// Whether `origin` is where our own pages come from.
    pub(crate) fn is_own_origin(&self, origin: &str) -> bool {
        let server = &self.config().server;
        if origin == server.public_url.origin().ascii_serialization() {
            return true;
        }
        // In production whoever listens on that port of a reader's own machine is somebody else.
        let listen = server.listen;
        server.environment != Environment::Production
            && (origin == format!("http://{listen}")
                || origin == format!("http://localhost:{}", listen.port()))
    }

    /// Whether pages of `origin` may call the base that `path` is under.
    pub(crate) fn allows_origin(&self, path: &str, origin: &str) -> bool {
        let base = Base::ALL.into_iter().find(|base| {
            path.strip_prefix(base.path())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        base.is_some_and(|base| {
            self.config()
                .cors
                .of(base)
                .iter()
                .any(|allowed| allowed.as_str() == origin)
        })
    }
}
