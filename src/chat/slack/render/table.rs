//! Rows under columns: Slack's own table, of which a message has one, or a list with the same words where there are
//! several cards. Cells are literal text.

use slack_morphism::prelude::*;

use super::budget::{Budget, TABLE_COLUMNS, TABLE_ROWS};
use super::text::{plain, rich, run};
use crate::chat::card::Table;

/// Characters of one cell at most; a longer one says what is missing.
const CELL: usize = 1000;

/// The rows that fit, all as long as the heading, and how many do not.
struct Fitted {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
    more: usize,
}

/// Slack's table.
#[must_use]
pub fn native(table: &Table, budget: &mut Budget) -> Option<SlackBlock> {
    let fitted = fit(table, budget)?;
    let columns = fitted.heading.len();
    let mut rows = vec![fitted.heading];
    rows.extend(fitted.rows);
    if fitted.more > 0 {
        let mut last = vec![String::new(); columns];
        last[0] = format!("… +{}", fitted.more);
        rows.push(last);
    }
    let cells = |row: Vec<String>| row.into_iter().map(|cell| plain(cell).text.into()).collect();
    let wrapped = SlackTableColumnSetting::new().with_align(SlackTableColumnAlign::Left).with_is_wrapped(true);
    let block = SlackTableBlock::new(rows.into_iter().map(cells).collect());
    Some(block.with_column_settings(vec![wrapped; columns]).into())
}

/// The same as a list: the heading, then a line a row.
#[must_use]
pub fn list(table: &Table, budget: &mut Budget) -> Option<SlackBlock> {
    let fitted = fit(table, budget)?;
    let line = |row: Vec<String>, bold: bool| {
        let (first, others) = row.split_first().map(|(first, others)| (first.clone(), others.to_vec()))?;
        let mut runs = vec![run(first, true)];
        runs.extend(others.into_iter().map(|cell| run(format!(" · {}", plain(cell).text), bold)));
        Some(SlackRichTextSection::new(runs))
    };
    let more = (fitted.more > 0).then(|| vec![format!("… +{}", fitted.more)]);
    let rows: Vec<SlackRichTextListElement> =
        fitted.rows.into_iter().chain(more).filter_map(|row| line(row, false)).map(Into::into).collect();
    if rows.is_empty() {
        return Some(rich(line(fitted.heading, true)?));
    }
    let list = SlackRichTextList::new(SlackRichTextListStyle::Bullet, rows);
    Some(SlackRichTextBlock::new(vec![line(fitted.heading, true)?.into(), list.into()]).into())
}

fn fit(table: &Table, budget: &mut Budget) -> Option<Fitted> {
    let widest = table.rows.iter().map(Vec::len).chain([table.columns.len()]).max().unwrap_or(0);
    let length = |row: &[String]| row.iter().map(|cell| cell.chars().count()).sum::<usize>();
    let columns = widest.min(TABLE_COLUMNS);
    if columns == 0 || !budget.bare() {
        budget.leave(length(&table.columns) + table.rows.iter().map(|row| length(row)).sum::<usize>());
        return None;
    }
    let heading = pay(&table.columns, columns, budget);
    // One row is the heading; where rows are left out, one more says so.
    let most = if table.rows.len() < TABLE_ROWS { TABLE_ROWS - 1 } else { TABLE_ROWS - 2 };
    let mut rows = Vec::new();
    for row in table.rows.iter().take(most) {
        let cells = row.iter().take(columns).map(|cell| cell.chars().count().min(CELL)).sum::<usize>();
        if !budget.has(cells + columns) {
            break;
        }
        rows.push(pay(row, columns, budget));
    }
    let left = &table.rows[rows.len()..];
    budget.leave(left.iter().map(|row| length(row)).sum());
    Some(Fitted { heading, rows, more: left.len() })
}

/// A row of so many cells, paid for.
fn pay(row: &[String], columns: usize, budget: &mut Budget) -> Vec<String> {
    budget.leave(row.iter().skip(columns).map(|cell| cell.chars().count()).sum());
    let mut cells: Vec<String> =
        row.iter().take(columns).map(|cell| budget.text(cell, CELL).unwrap_or_default()).collect();
    cells.resize(columns, String::new());
    cells
}
