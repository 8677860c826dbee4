// Log entries. IHE's Basic Audit Log Patterns are restated: their package is on no public registry. Kykysilta's own profile of
// a log entry beside them asks for what the Finnish log duties ask for; an AuditEvent may claim both.

Profile: KykysiltaAuditRead
Parent: AuditEvent
Id: kykysilta-audit-read
Title: "Lokitieto: luku"
Description: "A resource about a client was read. The server sends, the client receives."
* insert RestatesBalp(IHE.BasicAudit.PatientRead)
* insert RestfulEvent(110152, 110153)
* insert RestfulData
* subtype contains read 0..1 and vread 0..1
* subtype[read] = $restful-interaction#read
* subtype[vread] = $restful-interaction#vread
* action = #R
* agent[user].type = $v3-ParticipationType#IRCP
* obeys kyk-audit-read

Invariant: kyk-audit-read
Severity: #error
Description: "Lukutapahtumalta puuttuu alatyyppi. Lisää read tai vread. / The read has no subtype. Add read or vread."
Expression: "subtype.where(code = 'read' or code = 'vread').exists()"

Profile: KykysiltaAuditQuery
Parent: AuditEvent
Id: kykysilta-audit-query
Title: "Lokitieto: haku"
Description: "A client's resources were searched for. The query is encoded; identity codes in it are replaced before it is written."
* insert RestatesBalp(IHE.BasicAudit.PatientQuery)
* insert RestfulEvent(110153, 110152)
* subtype contains search 0..1 and searchType 0..1 and searchSystem 0..1
* subtype[search] = $restful-interaction#search
* subtype[searchType] = $restful-interaction#search-type
* subtype[searchSystem] = $restful-interaction#search-system
* action = #E
* agent[user].type = $v3-ParticipationType#IRCP
* entity contains query 1..1
* entity[query].type = $audit-entity-type#2
* entity[query].role 1..1
* entity[query].role = $object-role#24
* entity[query].what 0..0
* entity[query].lifecycle 0..0
* entity[query].query 1..1 MS
* entity[query].detail 0..0
* obeys kyk-audit-query

Invariant: kyk-audit-query
Severity: #error
Description: "Hakutapahtumalta puuttuu alatyyppi. Lisää search, search-type tai search-system. / The query has no subtype. Add search, search-type or search-system."
Expression: "subtype.where(code = 'search' or code = 'search-type' or code = 'search-system').exists()"

Profile: KykysiltaAuditCreate
Parent: AuditEvent
Id: kykysilta-audit-create
Title: "Lokitieto: tallennus"
Description: "A resource about a client was created. The client sends, the server receives."
* insert RestatesBalp(IHE.BasicAudit.PatientCreate)
* insert RestfulEvent(110153, 110152)
* insert RestfulData
* subtype contains create 1..1
* subtype[create] = $restful-interaction#create
* action = #C
* agent[user].type from AuditDataSource (required)

Profile: KykysiltaAuditUpdate
Parent: AuditEvent
Id: kykysilta-audit-update
Title: "Lokitieto: muutos"
Description: "A resource about a client was changed. The client sends, the server receives."
* insert RestatesBalp(IHE.BasicAudit.PatientUpdate)
* insert RestfulEvent(110153, 110152)
* insert RestfulData
* subtype contains update 0..1 and patch 0..1
* subtype[update] = $restful-interaction#update
* subtype[patch] = $restful-interaction#patch
* action = #U
* agent[user].type from AuditDataSource (required)
* obeys kyk-audit-update

Invariant: kyk-audit-update
Severity: #error
Description: "Muutostapahtumalta puuttuu alatyyppi. Lisää update tai patch. / The update has no subtype. Add update or patch."
Expression: "subtype.where(code = 'update' or code = 'patch').exists()"

Profile: KykysiltaAuditDisclosureSource
Parent: AuditEvent
Id: kykysilta-audit-disclosure-source
Title: "Lokitieto: luovutus ulos"
Description: "Data of a client were disclosed, as the discloser records it."
* insert RestatesBalp(IHE.BasicAudit.PrivacyDisclosure.Source)
* insert Disclosure
* type = $dcm#110106
* action = #R
* agent[source] obeys val-audit-source

Profile: KykysiltaAuditDisclosureRecipient
Parent: AuditEvent
Id: kykysilta-audit-disclosure-recipient
Title: "Lokitieto: luovutuksen vastaanotto"
Description: "Data of a client were disclosed, as the recipient records it."
* insert RestatesBalp(IHE.BasicAudit.PrivacyDisclosure.Recipient)
* insert Disclosure
* type = $dcm#110107
* action = #C
* agent[recipient] obeys val-audit-source

Invariant: val-audit-source
Severity: #error
Description: "Tämä toimija ei ole sama kuin tapahtuman kirjannut järjestelmä. Anna sama viittaus kuin kohdassa source.observer. / This agent is not the system that recorded the event. Give the same reference as in source.observer."
Expression: "$this.who = %resource.source.observer"

Profile: KykysiltaAuditDecision
Parent: AuditEvent
Id: kykysilta-audit-decision
Title: "Lokitieto: suostumuspäätös"
Description: "The decision of the consent engine: outcome 0 permits, 8 denies, outcomeDesc is the key of the reason. Deviates from the pattern in one point: a decision for which there is no consent names none."
* insert RestatesBalp(IHE.BasicAudit.AuthZconsent)
* modifierExtension 0..0
* type = $dcm#110113
* subtype 1..* MS
* subtype = $balp-authz-subtype#AuthZ-Consent
* action 1..1
* action = #E
* outcome 1..1 MS
* outcomeDesc MS
* purposeOfEvent MS
* agent 2..*
* insert SlicedByPattern(agent, type)
* agent contains client 1..1 and user 1..1 and userorg 1..1 and authorizer 1..1
* agent[client].type = $dcm#110150
* agent[client].who 1..1
* agent[client].network 1..1
* agent[client].policy MS
* insert Without(client, role)
* insert Without(client, altId)
* insert Without(client, name)
* insert Without(client, location)
* insert Without(client, media)
* insert Without(client, purposeOfUse)
* agent[user].type = $v3-ParticipationType#IRCP
* agent[user].who 1..1
* agent[user].requestor = true
* agent[user].role MS
* agent[user].policy MS
* agent[user].purposeOfUse MS
* insert Without(user, altId)
* insert Without(user, location)
* insert Without(user, media)
* insert Without(user, network)
* agent[userorg].type = http://terminology.hl7.org/CodeSystem/v3-RoleClass#PROV
* agent[userorg].who 1..1 MS
* agent[userorg].requestor = false
* agent[userorg].purposeOfUse MS
* insert Unattended(userorg)
* agent[authorizer].type = http://terminology.hl7.org/CodeSystem/extra-security-role-type#authserver
* agent[authorizer] obeys val-audit-source
* agent[authorizer].who 1..1
* agent[authorizer].requestor = false
* insert Without(authorizer, purposeOfUse)
* insert Unattended(authorizer)
* entity 1..*
* insert SlicedByPattern(entity, type)
* entity ^slicing.rules = #closed
* insert OfAuditedClient
* entity contains consent 0..* and token 0..1
* entity[consent].type = http://hl7.org/fhir/resource-types#Consent
* entity[consent].what 1..1 MS
* entity[token].type = $balp-user-agent-types#UserOauthAgent
* entity[token].what 1..1
* entity[token].what.identifier 1..1
* entity[token].what.identifier.value 1..1
* obeys kyk-audit-decision

Invariant: kyk-audit-decision
Severity: #error
Description: "Päätöksen tulos on 0 (sallittu) tai 8 (kielletty), ja kielletyllä on syy. Korjaa outcome tai lisää outcomeDesc. / A decision's outcome is 0 (permit) or 8 (deny), and a denial has its reason. Mend outcome or add outcomeDesc."
Expression: "outcome = '0' or (outcome = '8' and outcomeDesc.exists())"

Profile: KykysiltaLogEntry
Parent: AuditEvent
Id: kykysilta-log-entry
Title: "Käyttö- tai luovutuslokin merkintä"
Description: "What the Finnish log duties ask of an entry: when, what kind of act, for which purpose, on which ground, by whom and of which organisation, whose data, by which system, with what outcome, under which request."
* meta.profile 1..* MS
* subtype 1..* MS
* insert SlicedBySystem(subtype)
* subtype contains lifecycle 1..1 MS
* subtype[lifecycle] from LogAct (required)
* subtype[lifecycle].system 1..1
* subtype[lifecycle].system = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
* subtype[lifecycle].code 1..1
* recorded MS
* outcome 1..1 MS
* outcomeDesc MS
* purposeOfEvent 1..* MS
* purposeOfEvent.coding 1..*
* purposeOfEvent.coding.system 1..1
* purposeOfEvent.coding.code 1..1
* extension contains DisclosureBasis named disclosure-basis 1..1 MS
* agent MS
* agent.who 1..1 MS
* agent.role MS
* source.observer MS
* insert SlicedByPattern(entity, type)
* insert OfAuditedClient
* insert WithRequestId
* entity[request] 1..1
* obeys kyk-log-outcome and kyk-log-user and kyk-log-controller

Invariant: kyk-log-outcome
Severity: #error
Description: "Epäonnistuneelta tai estetyltä tapahtumalta puuttuu syy. Lisää outcomeDesc. / An act that failed or was refused has no reason. Add outcomeDesc."
Expression: "outcome = '0' or outcomeDesc.exists()"

Invariant: kyk-log-user
Severity: #error
Description: "Tapahtumaa pyytäneitä toimijoita on oltava täsmälleen yksi. Merkitse yhdelle requestor arvoksi true. / Exactly one agent asked for the act. Set requestor to true on one agent."
Expression: "agent.where(requestor = true).count() = 1"

Invariant: kyk-log-controller
Severity: #error
Description: "Merkinnästä puuttuu rekisterinpitäjä, jonka tietoja käsiteltiin. Lisää toimija, jonka tyyppi on SNOMED CT 159541003. / The controller whose data they are is missing. Add an agent of type SNOMED CT 159541003."
Expression: "agent.type.coding.where(system = 'http://snomed.info/sct' and code = '159541003').exists()"

// Codes that only these profiles bind to.

ValueSet: AuditDataSource
Id: audit-data-source
Title: "Tallennuksen tekijä lokissa"
Description: "Who may stand as user of a create or an update (IHE's Basic Audit Log Patterns)."
* $v3-ParticipationType#AUT
* $v3-ParticipationType#INF
* $v3-ParticipationType#CST

ValueSet: AuditObjectRole
Id: audit-object-role
Title: "Kohteen rooli lokissa"
Description: "What was read, created or updated (IHE's Basic Audit Log Patterns)."
* $object-role#3
* $object-role#4
* $object-role#20

ValueSet: LogAct
Id: log-act
Title: "Lokitettava toimi"
Description: "Use (access, originate, amend) or disclosure (disclose, receive)."
* $iso-21089#access
* $iso-21089#originate
* $iso-21089#amend
* $iso-21089#disclose
* $iso-21089#receive

// What the restated patterns share.

RuleSet: RestatesBalp(name)
* ^purpose = "Restates https://profiles.ihe.net/ITI/BALP/StructureDefinition/{name} (1.1.3), whose package is on no public registry."

RuleSet: SlicedByPattern(element, path)
* {element} ^slicing.discriminator[0].type = #pattern
* {element} ^slicing.discriminator[0].path = "{path}"
* {element} ^slicing.rules = #open

RuleSet: SlicedBySystem(element)
* {element} ^slicing.discriminator[0].type = #value
* {element} ^slicing.discriminator[0].path = "system"
* {element} ^slicing.rules = #open

// An exchange over REST: two systems with their addresses, perhaps a person, the client and the request.
RuleSet: RestfulEvent(client, server)
* type = http://terminology.hl7.org/CodeSystem/audit-event-type#rest
* subtype 1..* MS
* insert SlicedByPattern(subtype, $this)
* action 1..1
* recorded MS
* outcome 1..1
* outcome = #0
* agent 2..* MS
* insert SlicedByPattern(agent, type)
* agent contains client 1..1 MS and server 1..1 MS and user 0..1 MS
* agent[client].type = $dcm#{client}
* agent[client].who 1..1
* agent[client].network 1..1
* agent[client].media 0..0
* agent[server].type = $dcm#{server}
* agent[server].who 1..1
* agent[server].network 1..1
* agent[server].media 0..0
* agent[user].who 1..1
* agent[user].requestor = true
* agent[user].role MS
* agent[user].name MS
* agent[user].media 0..0
* agent[user].network 0..0
* agent[user].purposeOfUse MS
* source MS
* entity 2..*
* insert SlicedByPattern(entity, type)
* insert OfAuditedClient
* insert WithRequestId

RuleSet: RestfulData
* entity contains data 1..1 MS
* entity[data].type = $audit-entity-type#2
* entity[data].role 1..1
* entity[data].role from AuditObjectRole (required)
* entity[data].what 1..1
* entity[data].securityLabel MS

RuleSet: OfAuditedClient
* entity contains patient 1..1 MS
* entity[patient].type = $audit-entity-type#1
* entity[patient].role 1..1
* entity[patient].role = $object-role#1
* entity[patient].what 1..1
* entity[patient].what only Reference(Patient)

RuleSet: WithRequestId
* entity contains request 0..1 MS
* entity[request].type = $balp-entity-type#XrequestId
* entity[request].what 1..1
* entity[request].what.identifier 1..1
* entity[request].what.identifier.value 1..1

RuleSet: Disclosure
* modifierExtension 0..0
* subtype 1..*
* insert SlicedByPattern(subtype, $this)
* subtype contains disclosure 1..1
* subtype[disclosure] = $iso-21089#disclose
* action 1..1
* outcome 1..1
* outcomeDesc MS
* purposeOfEvent MS
* agent 2..*
* insert SlicedByPattern(agent, type)
* agent contains source 1..1 MS and recipient 1..1 MS and custodian 0..1 MS and authorizer 0..1 MS
* agent[source].type = $dcm#110153
* agent[source].who 1..1
* agent[source].network 1..1
* agent[recipient].type = $dcm#110152
* agent[recipient].who 1..1
* agent[recipient].network 1..1
* agent[custodian].type = $sct#159541003
* agent[custodian].who 1..1
* agent[authorizer].type = $sct#429577009
* agent[authorizer].who 1..1
* entity 2..*
* insert SlicedByPattern(entity, type)
* insert OfAuditedClient

RuleSet: Without(agent, element)
* agent[{agent}].{element} 0..0

RuleSet: Unattended(agent)
* insert Without({agent}, role)
* insert Without({agent}, altId)
* insert Without({agent}, name)
* insert Without({agent}, location)
* insert Without({agent}, policy)
* insert Without({agent}, media)
* insert Without({agent}, network)
