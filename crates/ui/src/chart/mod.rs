//! Charts drawn by the server as SVG: coloured by the style sheet, read out by their title and description, and backed
//! by a table with the same figures.
//!
//! Nothing is scaled as a picture: positions along the x axis are percentages and text keeps its size, so that a chart
//! is as sharp and legible on a phone as on a wide screen.

mod axis;
mod data;
mod draw;
mod spark;

pub use axis::{Scale, nice_scale};
pub use data::{AreaChart, BarChart, Series};
pub use spark::sparkline;
