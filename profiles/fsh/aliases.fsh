// Short names of systems and of the national profiles that ours restate.
Alias: $hetu = urn:oid:1.2.246.21
