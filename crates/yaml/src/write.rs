//! Trees as text: block style, two columns a level, single values as yaml.v3 writes them.

use shipway_core::{Error, Result};

use crate::{
    Limits,
    node::{Node, Value},
    quote::{self, HEX},
};

impl Node {
    /// Returns the tree as YAML, which reads as the same values by both [`Rules`](crate::Rules). What an alias
    /// stands for is written out.
    ///
    /// ```
    /// let document = shipway_yaml::parse("a.yaml", "{a: ['1.10', \"x: y\"], b: \"1\\n2\\n\"}")?.remove(0);
    /// assert_eq!(document.root.to_yaml()?, "a:\n  - \"1.10\"\n  - 'x: y'\nb: |\n  1\n  2\n");
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` for a tree that is deeper, or a text that is longer than the usual [`Limits`], so that what
    /// is written is read again.
    pub fn to_yaml(&self) -> Result<String> {
        let mut writer = Writer::new("\n");
        writer.root(self)?;
        Ok(writer.out)
    }
}

/// What a value stands after.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Key,
    Dash,
}

pub(crate) struct Writer {
    pub(crate) out: String,
    newline: &'static str,
    limits: Limits,
    depth: usize,
    /// Whether something may come after the tree, so that its last block of text cannot end with empty lines.
    goes_on: bool,
}

impl Writer {
    pub(crate) fn new(newline: &'static str) -> Self {
        Self { out: String::new(), newline, limits: Limits::default(), depth: 0, goes_on: false }
    }

    /// Returns a writer of a part of a text.
    pub(crate) fn inside(newline: &'static str) -> Self {
        Self { goes_on: true, ..Self::new(newline) }
    }

    /// Returns how a text's block begins if it can be one here.
    pub(crate) fn literal(&self, text: &str) -> Option<String> {
        quote::literal(text).filter(|header| !(self.goes_on && header.ends_with('+')))
    }

    /// Writes a document without its mark.
    pub(crate) fn root(&mut self, node: &Node) -> Result<()> {
        match &node.value {
            Value::Mapping(entries) if !entries.is_empty() => {
                self.tag_line(node);
                self.entries(entries, 0, false)
            }
            Value::Sequence(items) if !items.is_empty() => {
                self.tag_line(node);
                self.items(items, 0, false)
            }
            _ => {
                self.out.push_str(&flow(node));
                self.end_line()
            }
        }
    }

    fn tag_line(&mut self, node: &Node) {
        if let Some(tag) = &node.tag {
            self.out.push_str(&tag_text(tag));
            self.out.push_str(self.newline);
        }
    }

    /// Ends a line, each of which is counted.
    pub(crate) fn end_line(&mut self) -> Result<()> {
        self.out.push_str(self.newline);
        let most = self.limits.bytes;
        if self.out.len() > most {
            return Err(Error::config(format!("the tree has more than {most} bytes as YAML")));
        }
        Ok(())
    }

    pub(crate) fn indent(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }

    /// Writes entries each in lines of its own; the first one goes on with a line if it is compact.
    fn entries(&mut self, entries: &[(Node, Node)], column: usize, compact: bool) -> Result<()> {
        self.deeper()?;
        for (at, (key, value)) in entries.iter().enumerate() {
            if at > 0 || !compact {
                self.indent(column);
            }
            self.entry(key, value, column)?;
        }
        self.depth -= 1;
        Ok(())
    }

    pub(crate) fn entry(&mut self, key: &Node, value: &Node, column: usize) -> Result<()> {
        let after = self.key(key, column)?;
        self.value(value, column, after)
    }

    /// Writes a key with its `:`.
    pub(crate) fn key(&mut self, key: &Node, column: usize) -> Result<After> {
        match key_text(key) {
            Some(text) => {
                self.out.push_str(&text);
                self.out.push(':');
                Ok(After::Key)
            }
            None => {
                self.out.push('?');
                self.value(key, column, After::Dash)?;
                self.indent(column);
                self.out.push(':');
                Ok(After::Dash)
            }
        }
    }

    fn items(&mut self, items: &[Node], column: usize, compact: bool) -> Result<()> {
        self.deeper()?;
        for (at, item) in items.iter().enumerate() {
            if at > 0 || !compact {
                self.indent(column);
            }
            self.out.push('-');
            self.value(item, column, After::Dash)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Writes what comes after a key's `:` or an item's `-` that stands at a column, to the end of its lines.
    pub(crate) fn value(&mut self, node: &Node, column: usize, after: After) -> Result<()> {
        let inner = column + 2;
        let compact = after == After::Dash && node.tag.is_none();
        match &node.value {
            Value::Mapping(entries) if !entries.is_empty() => {
                self.open(node, compact)?;
                self.entries(entries, inner, compact)
            }
            Value::Sequence(items) if !items.is_empty() => {
                self.open(node, compact)?;
                self.items(items, inner, compact)
            }
            Value::Scalar(scalar) if let Some(header) = self.literal(&scalar.text) => {
                self.tag(node);
                self.out.push(' ');
                self.out.push_str(&header);
                self.end_line()?;
                self.lines(&scalar.text, inner)
            }
            _ => {
                let text = flow(node);
                if !text.is_empty() {
                    self.out.push(' ');
                    self.out.push_str(&text);
                }
                self.end_line()
            }
        }
    }

    fn tag(&mut self, node: &Node) {
        if let Some(tag) = &node.tag {
            self.out.push(' ');
            self.out.push_str(&tag_text(tag));
        }
    }

    /// Goes where the first of a list or mapping stands.
    fn open(&mut self, node: &Node, compact: bool) -> Result<()> {
        self.tag(node);
        if compact {
            self.out.push(' ');
            return Ok(());
        }
        self.end_line()
    }

    /// Writes the lines of a block of text.
    pub(crate) fn lines(&mut self, text: &str, column: usize) -> Result<()> {
        // The last line break ends the last line.
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                self.indent(column);
                self.out.push_str(line);
            }
            self.end_line()?;
        }
        Ok(())
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        let most = self.limits.depth;
        if self.depth > most {
            return Err(Error::config(format!("the tree is more than {most} deep")));
        }
        Ok(())
    }
}

/// Returns a key as it stands before its `:`; none for one that needs a `?`: a list, a mapping, one that is longer
/// than the 1,024 characters up to which readers look for the `:`, and nothing with a tag.
pub(crate) fn key_text(key: &Node) -> Option<String> {
    let text = key.text().map(|_| flow(key))?;
    let nothing = key.tag.is_some() && key.text() == Some("");
    (!nothing && text.len() <= 1_000).then_some(text)
}

/// Returns a node that is no list or mapping with something in it, in one line.
pub(crate) fn flow(node: &Node) -> String {
    let text = match &node.value {
        Value::Scalar(scalar) => quote::inline(scalar, node.tag.is_some(), false),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) => "{}".to_owned(),
    };
    match &node.tag {
        Some(tag) => format!("{} {text}", tag_text(tag)).trim_end().to_owned(),
        None => text,
    }
}

/// Writes a tag: `!!str` for `tag:yaml.org,2002:str`, `!local`, and others in full.
pub(crate) fn tag_text(tag: &str) -> String {
    let encoded = |text: &str, safe: &str| {
        let mut encoded = String::new();
        for byte in text.bytes() {
            match char::from(byte) {
                c if c.is_ascii_alphanumeric() || safe.contains(c) => encoded.push(c),
                _ => {
                    encoded.push('%');
                    encoded.extend([4, 0].map(|shift| HEX[usize::from(byte >> shift & 15)]));
                }
            }
        }
        encoded
    };
    const SAFE: &str = "-#;/?:@&=+$_.~*'()";
    if let Some(name) = tag.strip_prefix("tag:yaml.org,2002:").filter(|name| !name.is_empty()) {
        return format!("!!{}", encoded(name, SAFE));
    }
    match tag.strip_prefix('!') {
        Some(name) => format!("!{}", encoded(name, SAFE)),
        None => format!("!<{}>", encoded(tag, &format!("{SAFE}!,[]"))),
    }
}
