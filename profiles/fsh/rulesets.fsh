// What several profiles share.

// A resource that a record owns: where it comes from, in which language, of which register and version.
RuleSet: Owned
* language 1..1 MS
* meta 1..1
* meta.source 1..1 MS
* meta.profile 1..* MS
* meta.tag MS
* meta.tag ^slicing.discriminator[0].type = #value
* meta.tag ^slicing.discriminator[0].path = "system"
* meta.tag ^slicing.rules = #open
* meta.tag contains register 1..1 MS and recordVersion 1..1 MS
* meta.tag[register].system = $register
* meta.tag[register] from https://kykysilta.example/fhir/ValueSet/register (required)
* meta.tag[recordVersion].system = $record-version
* meta.tag[recordVersion].code 1..1
* meta.security MS

// A person, professional or organisation that records merely mention.
RuleSet: Shared
* meta.profile 1..* MS

RuleSet: OfClient(element)
* {element} 1..1 MS
* {element} only Reference(KykysiltaClient)

// Beside our own profile a resource names the Finnish base profile whose constraints we restate.
RuleSet: RestatesFinnishBase(name)
* ^purpose = "Restates the constraints of https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/{name} (2.0.0-rc2), whose package is on no public registry."
