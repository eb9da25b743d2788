//! What stands for one of many clients in identifiers and topics.

/// How many clients are named.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// Client Identifier, with `%i` for the client's number.
    pub(crate) client_id: String,
    /// What `%u` stands for.
    pub(crate) user_name: String,
    /// There is only one client, which needs no number.
    pub(crate) is_alone: bool,
}

impl Names {
    /// The identifier of the client of this number.
    pub(crate) fn client_id(&self, number: u32) -> String {
        if self.client_id.contains("%i") {
            self.client_id.replace("%i", &number.to_string())
        } else if self.is_alone {
            self.client_id.clone()
        } else {
            format!("{}_{number}", self.client_id)
        }
    }

    /// A text with `%u`, `%c` and `%i` filled in.
    pub(crate) fn fill(&self, text: &str, client_id: &str, number: u32) -> String {
        text.replace("%u", &self.user_name)
            .replace("%c", client_id)
            .replace("%i", &number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_number_tells_clients_apart() {
        let names = |client_id: &str, is_alone| Names {
            client_id: client_id.to_owned(),
            user_name: "u".to_owned(),
            is_alone,
        };
        assert_eq!(names("a", true).client_id(1), "a");
        assert_eq!(names("a", false).client_id(7), "a_7");
        assert_eq!(names("a-%i-b", true).client_id(7), "a-7-b");
        assert_eq!(names("a", true).fill("%u/%c/%i", "a", 3), "u/a/3");
    }
}
