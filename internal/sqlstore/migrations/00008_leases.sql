-- Work of the whole instance that one process at a time may do. A lease that ran out may be taken by any.
CREATE TABLE leases (
	name        {{TEXT}} NOT NULL PRIMARY KEY,
	holder      {{TEXT}} NOT NULL,
	lease_until {{INT}} NOT NULL
) {{CLUSTERED}};
