//! Slack's limits, each with the page that states it, and the purse that every text of a message is paid from, so that
//! nothing goes over a limit and nothing is cut in silence. Knows nothing of cards.

use crate::domain::text::cut;

/// Declares the limits as constants, and as a table for those who compare them with somebody else's.
macro_rules! limits {
    ($($(#[$doc:meta])+ $name:ident = $most:literal, $page:literal;)+) => {
        $($(#[$doc])+ #[doc = concat!("<https://docs.slack.dev/", $page, ">")] pub const $name: usize = $most;)+

        /// All of them: name, number, page.
        pub const LIMITS: &[(&str, usize, &str)] =
            &[$((stringify!($name), $most, concat!("https://docs.slack.dev/", $page))),+];
    };
}

limits! {
    /// Blocks of a message.
    MESSAGE_BLOCKS = 50, "reference/block-kit/blocks";
    /// Blocks of a modal or of App Home.
    VIEW_BLOCKS = 100, "reference/block-kit/blocks";
    /// Ids of blocks and of what is in them.
    ID = 255, "reference/block-kit/blocks/actions-block";
    /// A header.
    HEADER = 150, "reference/block-kit/blocks/header-block";
    /// A section's text; also what we put at most into one text of other blocks without a limit of their own.
    SECTION = 3000, "reference/block-kit/blocks/section-block";
    /// Elements of a context.
    CONTEXT_ELEMENTS = 10, "reference/block-kit/blocks/context-block";
    /// Elements of an actions block.
    ACTIONS = 25, "reference/block-kit/blocks/actions-block";
    /// What a button says.
    BUTTON_LABEL = 75, "reference/block-kit/block-elements/button-element";
    /// What a button says to those who hear it.
    BUTTON_SPOKEN = 75, "reference/block-kit/block-elements/button-element";
    /// What a button carries.
    BUTTON_VALUE = 2000, "reference/block-kit/block-elements/button-element";
    /// Title of a question before a press counts.
    CONFIRM_TITLE = 100, "reference/block-kit/composition-objects/confirmation-dialog-object";
    /// Its text.
    CONFIRM_TEXT = 300, "reference/block-kit/composition-objects/confirmation-dialog-object";
    /// Its two buttons.
    CONFIRM_BUTTON = 30, "reference/block-kit/composition-objects/confirmation-dialog-object";
    /// What an option says.
    OPTION_TEXT = 75, "reference/block-kit/composition-objects/option-object";
    /// What it carries.
    OPTION_VALUE = 150, "reference/block-kit/composition-objects/option-object";
    /// What it says below.
    OPTION_DESCRIPTION = 75, "reference/block-kit/composition-objects/option-object";
    /// Options of a select.
    OPTIONS = 100, "reference/block-kit/block-elements/select-menu-element";
    /// What a select says before something is chosen.
    PLACEHOLDER = 150, "reference/block-kit/block-elements/select-menu-element";
    /// What an input is called.
    INPUT_LABEL = 2000, "reference/block-kit/blocks/input-block";
    /// Its line of help.
    INPUT_HINT = 2000, "reference/block-kit/blocks/input-block";
    /// What may be typed into it.
    INPUT_VALUE = 3000, "reference/block-kit/block-elements/plain-text-input-element";
    /// A modal's title.
    VIEW_TITLE = 24, "reference/views/modal-views";
    /// Its two buttons.
    VIEW_BUTTON = 24, "reference/views/modal-views";
    /// What it carries.
    VIEW_METADATA = 3000, "reference/views/modal-views";
    /// Rows of a table, with its heading; a message has one table.
    TABLE_ROWS = 100, "reference/block-kit/blocks/table-block";
    /// Columns of a table.
    TABLE_COLUMNS = 20, "reference/block-kit/blocks/table-block";
    /// A chart's title; a message has one chart, of the two that it may have.
    CHART_TITLE = 50, "reference/block-kit/blocks/data-visualization-block";
    /// Series of a chart: as many as one copy of the page allows; another says 12.
    CHART_SERIES = 6, "reference/block-kit/blocks/data-visualization-block";
    /// Points of a series, each with its label.
    CHART_POINTS = 20, "reference/block-kit/blocks/data-visualization-block";
    /// A label, or a series' name.
    CHART_LABEL = 20, "reference/block-kit/blocks/data-visualization-block";
    /// What is written along an axis.
    CHART_AXIS = 50, "reference/block-kit/blocks/data-visualization-block";
    /// All texts of a message or view. Slack states 12000 for one block and refuses sums somewhere above 11000
    /// (`msg_blocks_too_long`), and cells of tables above 10000; this keeps away from all three.
    TOTAL_TEXT = 10000, "reference/block-kit/blocks/markdown-block";
    /// A message's text beside its blocks.
    MESSAGE_TEXT = 4000, "reference/methods/chat.postMessage";
}

/// Kept back for the block that says what was cut.
const NOTE: usize = 400;

/// Room that a text must find to be worth starting.
const LEAST: usize = 16;

/// What a message or view may still spend.
#[derive(Debug)]
pub struct Budget {
    blocks: usize,
    room: usize,
    cut: usize,
}

impl Budget {
    /// A full purse of so many blocks, less what saying that something was cut would cost.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        Self { blocks: blocks - 1, room: TOTAL_TEXT - NOTE, cut: 0 }
    }

    /// Pays for a text of at most `most` characters. What does not fit is cut, which the text says and we remember;
    /// none where nothing would be left.
    pub fn text(&mut self, text: &str, most: usize) -> Option<String> {
        self.pay(text, most, ending)
    }

    /// Pays for a block with one text in it.
    pub fn block(&mut self, text: &str, most: usize) -> Option<String> {
        self.pay_block(text, most, ending)
    }

    /// The same for output, of which the beginning and the end are kept: the end is what tells.
    pub fn middle(&mut self, text: &str, most: usize) -> Option<String> {
        self.pay_block(text, most, middle)
    }

    fn pay_block(&mut self, text: &str, most: usize, how: Shorten) -> Option<String> {
        if self.blocks == 0 {
            self.leave(text.chars().count());
            return None;
        }
        let shown = self.pay(text, most, how)?;
        self.blocks -= 1;
        Some(shown)
    }

    fn pay(&mut self, text: &str, most: usize, how: Shorten) -> Option<String> {
        let (length, most) = (text.chars().count(), most.min(self.room));
        if length > most && most < LEAST {
            self.cut += length;
            return None;
        }
        let (shown, left_out) = how(text, most);
        self.cut += left_out;
        self.room -= shown.chars().count();
        Some(shown)
    }

    /// Pays for a block alone; false where there is none left.
    pub fn bare(&mut self) -> bool {
        let left = self.blocks > 0;
        self.blocks -= usize::from(left);
        left
    }

    /// Whether a text of so many characters would stay whole.
    #[must_use]
    pub fn has(&self, characters: usize) -> bool {
        characters <= self.room
    }

    /// Pays for characters for which there is room.
    pub fn spend(&mut self, characters: usize) {
        self.room = self.room.saturating_sub(characters);
    }

    /// Remembers characters that are not shown.
    pub fn leave(&mut self, characters: usize) {
        self.cut += characters;
    }

    /// Characters that were cut.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.cut
    }
}

/// The text in at most `most` characters; a cut one ends with how many are missing, as in `… +120`.
#[must_use]
pub fn shorten(text: &str, most: usize) -> String {
    ending(text, most).0
}

/// Fits a text into so many characters, and tells how many are left out.
type Shorten = fn(&str, usize) -> (String, usize);

fn ending(text: &str, most: usize) -> (String, usize) {
    let length = text.chars().count();
    if length <= most {
        return (text.to_owned(), 0);
    }
    let kept = most.saturating_sub("… +".chars().count() + digits(length));
    (cut(text, kept), length - kept)
}

fn middle(text: &str, most: usize) -> (String, usize) {
    let length = text.chars().count();
    if length <= most {
        return (text.to_owned(), 0);
    }
    let kept = most.saturating_sub("\n… + …\n".chars().count() + digits(length));
    let (head, tail) = (kept / 2, kept - kept / 2);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    (format!("{start}\n… +{} …\n{end}", length - kept), length - kept)
}

/// Digits that a number up to `most` takes.
fn digits(most: usize) -> usize {
    most.to_string().len()
}
