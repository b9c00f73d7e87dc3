-- Whether any row of either table within a scope is not told by its version.
select exists (select from {stored_versions} c where {within} and not {stored_is_old})
    or exists (select from {source_versions} s where {within} and not {source_is_old}) as found
