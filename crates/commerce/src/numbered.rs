//! Looking many things up in one statement: each thing's row carries its place, and so does what is found for it.

use storage::{Row, Value};
use types::{Error, Result};

/// A row for each thing: its place, then the values that name it.
pub(crate) fn rows<T>(things: &[T], values: impl Fn(&T) -> Vec<Value>) -> Vec<Vec<Value>> {
    let places = 0_i64..;
    places
        .zip(things)
        .map(|(place, thing)| {
            let mut row = vec![Value::from(place)];
            row.extend(values(thing));
            row
        })
        .collect()
}

/// Puts what was found where it belongs; `n` is the column of the place. None where nothing was found.
pub(crate) fn found<T>(
    things: usize,
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let mut found: Vec<Option<T>> = std::iter::repeat_with(|| None).take(things).collect();
    for row in rows {
        *slot(&mut found, row)? = Some(read(row)?);
    }
    Ok(found)
}

/// The slot of the thing that the row was found for.
pub(crate) fn slot<'a, T>(slots: &'a mut [T], row: &Row) -> Result<&'a mut T> {
    let place = usize::try_from(row.get::<i64>("n")?).map_err(Error::internal)?;
    slots
        .get_mut(place)
        .ok_or_else(|| Error::internal("a row was found for a thing that nobody asked for"))
}
