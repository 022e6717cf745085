//! The patterns of `${x#y}`, `${x%y}` and `${x/y/z}`: `*`, `?` and escapes; a port of BuildKit's
//! `convertShellPatternToRegex`, without regular expressions.

/// A pattern's steps.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Step>);

#[derive(Clone, Copy, Debug)]
enum Step {
    Any,
    One,
    Char(char),
}

impl Pattern {
    /// Reads a pattern, or says which escape in it is none.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            steps.push(match c {
                '*' => Step::Any,
                '?' => Step::One,
                '\\' => match rest.next() {
                    Some(c @ ('*' | '?' | '\\' | '}' | '/')) => Step::Char(c),
                    other => return Err(format!("\\{}", other.map(String::from).unwrap_or_default())),
                },
                c => Step::Char(c),
            });
        }
        Ok(Self(steps))
    }

    /// Returns the value without the shortest or longest prefix that matches.
    pub(super) fn without_prefix(&self, value: &str, longest: bool) -> String {
        let value: Vec<char> = value.chars().collect();
        let end = self.end(&self.0, value.iter().copied(), longest).unwrap_or(0);
        value[end..].iter().collect()
    }

    /// Returns the value without the shortest or longest suffix that matches.
    pub(super) fn without_suffix(&self, value: &str, longest: bool) -> String {
        let value: Vec<char> = value.chars().collect();
        let steps: Vec<Step> = self.0.iter().rev().copied().collect();
        let end = self.end(&steps, value.iter().rev().copied(), longest).unwrap_or(0);
        value[..value.len() - end].iter().collect()
    }

    /// Returns the value with its first match, or all, replaced; matches are as long as they can be.
    /// `None` when it becomes longer than `most` bytes.
    pub(super) fn replace(&self, value: &str, replacement: &str, all: bool, most: usize) -> Option<String> {
        let value: Vec<char> = value.chars().collect();
        let mut text = String::new();
        let (mut at, mut last_end) = (0, None);
        while at <= value.len() && text.len() <= most {
            let found = self.find(&value, at).filter(|_| all || last_end.is_none());
            let Some((start, end)) = found else {
                text.extend(&value[at..]);
                break;
            };
            text.extend(&value[at..start]);
            // Go: an empty match right after another is none.
            if end > start || last_end != Some(start) {
                text.push_str(replacement);
                last_end = Some(end);
            }
            at = end;
            if end == start {
                text.extend(value.get(start));
                at += 1;
            }
        }
        Some(text).filter(|text| text.len() <= most)
    }

    /// Returns where the first match from a place on is, in one pass: each step that was reached knows
    /// where it began.
    fn find(&self, value: &[char], from: usize) -> Option<(usize, usize)> {
        let steps = &self.0;
        let mut reached: Vec<Option<usize>> = vec![None; steps.len() + 1];
        let mut found: Option<(usize, usize)> = None;
        for at in from..=value.len() {
            if found.is_none() {
                reached[0].get_or_insert(at);
            }
            for (index, _) in steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Any)) {
                reached[index + 1] = earlier(reached[index], reached[index + 1]);
            }
            if let Some(start) = reached[steps.len()]
                && found.is_none_or(|(first, _)| start <= first)
            {
                found = Some((start, at));
            }
            if let Some((first, _)) = found {
                reached.iter_mut().for_each(|start| *start = start.filter(|start| *start <= first));
            }
            let Some(c) = value.get(at) else { break };
            let mut next = vec![None; steps.len() + 1];
            for (index, step) in steps.iter().enumerate() {
                let to = match step {
                    Step::Any if *c != '\n' => index,
                    Step::One if *c != '\n' => index + 1,
                    Step::Char(wanted) if wanted == c => index + 1,
                    _ => continue,
                };
                next[to] = earlier(next[to], reached[index]);
            }
            reached = next;
            if found.is_some() && reached.iter().all(Option::is_none) {
                break;
            }
        }
        found
    }

    /// Returns how many characters a match at the beginning has.
    fn end(&self, steps: &[Step], value: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
        // `reached[i]`: the first `i` steps match what was read so far.
        let close = |reached: &mut [bool]| {
            for (index, step) in steps.iter().enumerate() {
                if matches!(step, Step::Any) && reached[index] {
                    reached[index + 1] = true;
                }
            }
        };
        let mut reached = vec![false; steps.len() + 1];
        reached[0] = true;
        close(&mut reached);
        let mut found = reached[steps.len()].then_some(0);
        for (count, c) in value.enumerate() {
            if found.is_some() && !longest {
                break;
            }
            let mut next = vec![false; steps.len() + 1];
            for (index, step) in steps.iter().enumerate().filter(|(index, _)| reached[*index]) {
                match step {
                    Step::Any if c != '\n' => next[index] = true,
                    Step::One if c != '\n' => next[index + 1] = true,
                    Step::Char(wanted) if *wanted == c => next[index + 1] = true,
                    _ => {}
                }
            }
            close(&mut next);
            reached = next;
            if reached[steps.len()] {
                found = Some(count + 1);
            }
            if !reached.contains(&true) {
                break;
            }
        }
        found
    }
}

fn earlier(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    [one, other].into_iter().flatten().min()
}
