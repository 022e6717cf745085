//! The one rule that every value follows, as one macro.

/// Declares a value: public fields, `#[non_exhaustive]`, `new` with the required fields (those
/// before the `;`), a chained setter named after each optional field, serde and `PartialEq`.
macro_rules! value {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$required_meta:meta])* pub $required:ident: $required_type:ty, )*
            ;
            $( $(#[$optional_meta:meta])* pub $optional:ident: $optional_type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$required_meta])* pub $required: $required_type, )*
            $( $(#[$optional_meta])* #[serde(default)] pub $optional: $optional_type, )*
        }

        impl $name {
            /// Returns the value with these required fields, the others at their defaults.
            pub fn new($( $required: impl Into<$required_type> ),*) -> Self {
                Self {
                    $( $required: $required.into(), )*
                    $( $optional: Default::default(), )*
                }
            }

            $(
                $(#[$optional_meta])*
                ///
                /// Sets the field and returns the value, for chaining.
                #[must_use]
                pub fn $optional(mut self, $optional: impl Into<$optional_type>) -> Self {
                    self.$optional = $optional.into();
                    self
                }
            )*
        }
    };
}

/// Declares a name: a text with a grammar, checked wherever it comes in (also by serde).
macro_rules! name {
    ( $(#[$meta:meta])* pub struct $name:ident($check:path); ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Returns the checked name.
            ///
            /// # Errors
            /// `Config` when the text does not follow the grammar.
            pub fn parse(text: impl Into<String>) -> crate::Result<Self> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text.into()))
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::Error;
            fn try_from(text: String) -> crate::Result<Self> {
                Self::parse(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Error;
            fn from_str(text: &str) -> crate::Result<Self> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

pub(crate) use {name, value};
