// One record as a transaction.

Profile: KykysiltaBundle
Parent: Bundle
Id: kykysilta-bundle
Title: "Tietue lähetyksenä"
Description: "One record as a transaction: every entry is created if it does not exist, or replaces what an earlier version made."
* type = #transaction
* entry 1..* MS
* entry.request 1..1
* obeys kyk-bundle-1

Invariant: kyk-bundle-1
Severity: #error
Description: "Lähetyksestä puuttuu rekisterinpitäjä. Lisää Provenance, jonka toimijalla on tyyppi CST, tai lähetä muut resurssit contained-muodossa. / The transaction names no controller. Add a Provenance whose agent is of type CST, or send the supporting resources contained."
Expression: "entry.resource.ofType(Provenance).agent.type.coding.where(code = 'CST').exists() or entry.resource.contained.exists()"
