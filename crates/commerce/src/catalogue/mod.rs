//! Platform zero: Plinth sold with its own parts. Its features, groups and plans are those of `catalogue.toml`.

use types::id::{PlatformId, WorkspaceId};
use types::{Error, ErrorCode, Mode, Result};
use uuid::Uuid;

use crate::Shop;

/// The operator's workspace, which owns platform zero. The same in every installation.
pub const OPERATOR_WORKSPACE: WorkspaceId =
    WorkspaceId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

/// The platform that sells Plinth itself; its customers are the workspaces. The same in every installation. The design calls
/// it `plt_plinth`; on the wire its id looks like any other.
pub const PLATFORM_ZERO: PlatformId =
    PlatformId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002));

/// # Errors
/// `conflict` in platform zero: its features and plans come from the catalogue.
pub(crate) fn refuse_changes_in(shop: Shop) -> Result<()> {
    if shop.platform == PLATFORM_ZERO && shop.mode == Mode::Live {
        return Err(Error::new(
            ErrorCode::Conflict,
            "Plinth's own features and plans are those of catalogue.toml; change them there and restart.",
        ));
    }
    Ok(())
}
