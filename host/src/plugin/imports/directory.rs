//! `directory`: reads of the committed directory, of the granted resource types.

use provost_scim::filter::Filter;
use provost_scim::resource::parse_id;

use super::super::backing::DirectoryError;
use super::super::bindings::wit;
use super::super::encode;
use super::super::guest::{Guest, Phase};
use crate::limits::{DIRECTORY_ANSWER_BYTES_MAX, PAGE_RESOURCES_MAX};
use wit::directory::{Error, Page};

impl wit::directory::Host for Guest {
    async fn get(&mut self, resource_type: String, id: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        self.enter("directory.get")?;
        Ok(self.directory_get(&resource_type, &id).await)
    }

    async fn find(
        &mut self,
        resource_type: String,
        filter: String,
        cursor: Option<String>,
        count: u32,
    ) -> wasmtime::Result<Result<Page, Error>> {
        self.enter("directory.find")?;
        Ok(self.directory_find(&resource_type, &filter, cursor.as_deref(), count).await)
    }

    async fn members(
        &mut self,
        group: String,
        after: Option<String>,
        count: u32,
    ) -> wasmtime::Result<Result<Vec<wit::types::Member>, Error>> {
        self.enter("directory.members")?;
        Ok(self.directory_members(&group, after.as_deref(), count).await)
    }

    async fn is_member(&mut self, group: String, id: String) -> wasmtime::Result<Result<bool, Error>> {
        self.enter("directory.is-member")?;
        Ok(self.directory_is_member(&group, &id).await)
    }
}

impl Guest {
    async fn directory_get(&mut self, resource_type: &str, id: &str) -> Result<Option<String>, Error> {
        self.may_read(resource_type)?;
        // An id that could not be one names nothing.
        let Some(id) = parse_id(id) else { return Ok(None) };
        let found = self.house.backing.get(self.occasion.realm, resource_type, id).await?;
        let json = found.as_ref().map(|found| encode::resource(found, &self.identity.sight));
        match &json {
            Some(json) if json.len() > DIRECTORY_ANSWER_BYTES_MAX => Err(Error::TooLarge),
            _ => Ok(json),
        }
    }

    async fn directory_find(
        &mut self,
        resource_type: &str,
        filter: &str,
        cursor: Option<&str>,
        count: u32,
    ) -> Result<Page, Error> {
        self.may_read(resource_type)?;
        self.may_filter(resource_type, filter)?;
        let page = self.house.backing.find(self.occasion.realm, resource_type, filter, cursor, page(count)).await?;

        let resources: Vec<String> =
            page.resources.iter().map(|found| encode::resource(found, &self.identity.sight)).collect();
        if resources.iter().map(String::len).sum::<usize>() > DIRECTORY_ANSWER_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        Ok(Page { resources, next_cursor: page.next })
    }

    async fn directory_members(
        &mut self,
        group: &str,
        after: Option<&str>,
        count: u32,
    ) -> Result<Vec<wit::types::Member>, Error> {
        self.may_read_members()?;
        let after = match after.map(parse_id) {
            None => None,
            Some(Some(after)) => Some(after),
            Some(None) => return Err(Error::Invalid("`after` is not a member's id".to_owned())),
        };
        let Some(group) = parse_id(group) else { return Ok(Vec::new()) };
        let members = self.house.backing.members(self.occasion.realm, group, after, page(count)).await?;
        Ok(members.iter().map(encode::member).collect::<Vec<_>>())
    }

    async fn directory_is_member(&mut self, group: &str, id: &str) -> Result<bool, Error> {
        self.may_read_members()?;
        match (parse_id(group), parse_id(id)) {
            (Some(group), Some(id)) => Ok(self.house.backing.is_member(self.occasion.realm, group, id).await?),
            _ => Ok(false),
        }
    }

    fn may_read(&self, resource_type: &str) -> Result<(), Error> {
        if self.is(Phase::Lifecycle) {
            return Err(Error::Unavailable("not while the plugin is being loaded".to_owned()));
        }
        match self.identity.config.grant.directory.iter().any(|granted| granted == resource_type) {
            true => Ok(()),
            false => Err(Error::Invalid(format!(
                "reading the resource type `{}` is not granted",
                resource_type.escape_default()
            ))),
        }
    }

    fn may_filter(&self, resource_type: &str, filter: &str) -> Result<(), Error> {
        let (Some(of), Ok(filter)) = (self.house.backing.resource_type(resource_type), Filter::parse(filter)) else {
            return Ok(());
        };
        match self.identity.sight.unseen_in(&filter, &of) {
            None => Ok(()),
            Some(path) => Err(Error::Invalid(format!("filtering by `{path}`, which may not be read, is not granted"))),
        }
    }

    /// Members are the edges of groups: who may read groups may read them.
    fn may_read_members(&self) -> Result<(), Error> {
        self.may_read("Group")?;
        match self.identity.sight.has_members() {
            true => Ok(()),
            false => Err(Error::Invalid("reading `members` is not granted".to_owned())),
        }
    }
}

fn page(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).min(PAGE_RESOURCES_MAX)
}

impl From<DirectoryError> for Error {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Invalid(why) => Self::Invalid(why),
            DirectoryError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
