//! Gates: what platform zero's plans give a workspace, projected into rows of the workspace itself, so that its own
//! transactions can lock and check them.

mod store;

use types::id::{CustomerId, WorkspaceId};

pub use self::store::{GateRow, limit_of};

/// The customer of platform zero that a workspace is. The same id, so that neither has to be looked up to find the other.
pub fn customer_of(workspace: WorkspaceId) -> CustomerId {
    CustomerId::from_uuid(workspace.uuid())
}
