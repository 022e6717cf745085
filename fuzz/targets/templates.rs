//! Go's templates and layouts of times, which configuration files hold.

use shipway::{
    ErrorKind, Timestamp,
    template::{Template, Zone, format_time},
};

/// A template is refused, or comes out the same each time and within its bound.
pub(crate) fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            return;
        }
    };
    assert!(template.variables().all(|name| text.contains(name)));
    let render = || template.render([("IMAGE_NAME", "web"), ("TAG", "1.2.3"), ("EMPTY", ""), ("N", "12")]);
    match (render(), render()) {
        (Ok(one), Ok(two)) => assert!(one == two && one.len() <= 1 << 20, "{} bytes", one.len()),
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            assert_eq!(one.kind(), ErrorKind::Config, "{one}");
        }
        (one, _) => panic!("rendered once and refused once: {one:?}"),
    }
}

/// A layout comes out in proportion to what goes in, whatever the moment: the first eight bytes.
pub(crate) fn time_layout(data: &[u8]) {
    let Some((at, layout)) = data.split_first_chunk() else { return };
    let Ok(layout) = std::str::from_utf8(layout) else { return };
    let at = Timestamp(u64::from_be_bytes(*at));
    let text = format_time(layout, at, &Zone::utc());
    // The longest is `September` for `January`, and nine digits for `.000000000`; a letter may be an hour.
    assert!(text.len() <= 3 * layout.len() + 16, "{layout:?} becomes {text:?}");
    if !layout.bytes().any(|byte| byte.is_ascii_digit() || b"JMPpZ".contains(&byte)) {
        assert_eq!(text, layout);
    }
}
