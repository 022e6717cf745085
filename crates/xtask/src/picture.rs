//! A terminal's screen as a picture for the documentation: SVG, in the reader's light or dark.

use std::{env, fmt::Write as _, fs, path::Path, process};

use crate::{Result, workspace::Workspace};

/// The cells of a letter, in the picture's units.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 20.0;
/// The space around the screen.
const MARGIN: f64 = 16.0;

/// GitHub's own colours, which both of its themes can be read in.
const STYLE: &str = "\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328;white-space:pre}\
rect{fill:#f6f8fa;stroke:#d0d7de}.bold{font-weight:bold}.faint{opacity:.65}\
.c1{fill:#cf222e}.c2{fill:#1a7f37}.c3{fill:#9a6700}.c4{fill:#0969da}.c5{fill:#8250df}.c6{fill:#1b7c83}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#0d1117;stroke:#30363d}\
.c1{fill:#ff7b72}.c2{fill:#3fb950}.c3{fill:#d29922}.c4{fill:#58a6ff}.c5{fill:#bc8cff}.c6{fill:#39c5cf}}";

/// Runs the sample in tmux and writes docs/terminal.svg.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let captured = env::temp_dir().join(format!("shipway-picture-{}", process::id()));
    let mut test = workspace.cargo(&["test", "--package", "shipway-cli", "--test", "terminal", "picture::"]);
    let status = test.env("SHIPWAY_PICTURE", &captured).status();
    let fine = status.map_err(|error| format!("cannot start cargo: {error}"))?.success();
    let screen = fs::read_to_string(&captured);
    // Where there is none, this says so below.
    let _ = fs::remove_file(&captured);
    let screen = screen.map_err(|error| format!("the sample showed nothing; is tmux here? ({error})"))?;
    let path = workspace.root().join("docs/terminal.svg");
    fs::write(&path, svg(&screen)).map_err(|error| format!("`{}`: {error}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(fine)
}

/// Prints the picture of a screen that `tmux capture-pane -e -p` wrote into a file.
pub(crate) fn convert(path: &Path) -> Result<bool> {
    let screen = fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    print!("{}", svg(&screen));
    Ok(true)
}

/// What letters look like from some place on (ECMA-48, 8.3.117).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    faint: bool,
    colour: Option<u8>,
}

impl Look {
    fn select(&mut self, parameters: &str) {
        for parameter in parameters.split(';') {
            match parameter.parse().unwrap_or(0) {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                22 => (self.bold, self.faint) = (false, false),
                colour @ 31..=36 => self.colour = Some(colour - 30),
                39 => self.colour = None,
                _ => {}
            }
        }
    }

    fn classes(self) -> String {
        let colour = self.colour.map(|colour| format!("c{colour}"));
        let words = [self.bold.then(|| "bold".to_owned()), self.faint.then(|| "faint".to_owned()), colour];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Returns a screen as a picture. Each letter takes one cell.
fn svg(screen: &str) -> String {
    let lines: Vec<&str> = screen.trim_end().lines().collect();
    let mut look = Look::default();
    let lines: Vec<_> = lines.into_iter().map(|line| pieces(line, &mut look)).collect();
    let letters = |line: &[(Look, String)]| line.iter().map(|(_, text)| text.chars().count()).sum::<usize>();
    let columns = lines.iter().map(|line| letters(line)).max().unwrap_or(0);
    let (width, height) =
        (columns as f64 * WIDTH + 2.0 * MARGIN, lines.len() as f64 * HEIGHT + 2.0 * MARGIN - 4.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>a terminal</title>\n<style>{STYLE}</style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n",
        width - 1.0,
        height - 1.0
    );
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let (y, length) = (MARGIN + number as f64 * HEIGHT + 13.0, letters(line) as f64 * WIDTH);
        // Whatever the font, letters stand below one another.
        let _ = write!(out, "<text x=\"{MARGIN}\" y=\"{y}\" textLength=\"{length:.1}\">");
        for (look, text) in line {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = match look.classes().as_str() {
                "" => write!(out, "{text}"),
                classes => write!(out, "<tspan class=\"{classes}\">{text}</tspan>"),
            };
        }
        out.push_str("</text>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// Returns a line's pieces that look alike, and how it goes on.
fn pieces(line: &str, look: &mut Look) -> Vec<(Look, String)> {
    let mut pieces: Vec<(Look, String)> = Vec::new();
    let mut parts = line.split("\u{1b}[");
    let mut put = |look: Look, text: &str| match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some((before, last)) if *before == look => last.push_str(text),
        _ => pieces.push((look, text.to_owned())),
    };
    put(*look, parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        if part[end..].starts_with('m') {
            look.select(&part[..end]);
        }
        put(*look, part.get(end + 1..).unwrap_or_default());
    }
    if let Some((_, last)) = pieces.last_mut() {
        last.truncate(last.trim_end().len());
    }
    pieces.retain(|(_, text)| !text.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_becomes_a_picture() {
        let screen = "\u{1b}[32mdone\u{1b}[39m  \u{1b}[1mweb\u{1b}[0m  <a> & b  \n\n\u{1b}[1;31mFAILED\n\u{1b}[2mfaint\u{1b}[0m\n\n";
        let svg = svg(screen);
        let body: Vec<&str> = svg.lines().filter(|line| line.starts_with("<text")).collect();
        assert_eq!(
            body,
            [
                "<text x=\"16\" y=\"29\" textLength=\"151.2\"><tspan class=\"c2\">done</tspan>  \
                 <tspan class=\"bold\">web</tspan>  &lt;a&gt; &amp; b</text>",
                "<text x=\"16\" y=\"69\" textLength=\"50.4\"><tspan class=\"bold c1\">FAILED</tspan></text>",
                "<text x=\"16\" y=\"89\" textLength=\"42.0\"><tspan class=\"bold faint c1\">faint</tspan></text>",
            ]
        );
        assert!(
            svg.starts_with("<svg ") && svg.contains("viewBox=\"0 0 183 108\"") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
    }
}
