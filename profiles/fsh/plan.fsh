// The work-ability plan and what belongs to it.

Profile: KykysiltaWorkAbilityPlan
Parent: CarePlan
Id: kykysilta-work-ability-plan
Title: "Työkyvyn tuen suunnitelma"
Description: "A plan of work-ability support: goals, services, responsibilities, follow-up."
* insert Owned
* insert OfClient(subject)
* identifier 1..* MS
* identifier.system 1..1
* identifier.value 1..1
* status MS
* intent = #plan
* category 1..1 MS
* category from https://kykysilta.example/fhir/ValueSet/plan-type (required)
* title MS
* description 1..1 MS
* period 1..1 MS
* period.start 1..1
* created 1..1 MS
* author 1..1 MS
* contributor MS
* careTeam 1..* MS
* replaces MS
* goal MS
* supportingInfo MS
* note MS
* extension contains
    PlanningMode named planning-mode 1..1 MS and
    PlanReconciliation named plan-reconciliation 0..* MS and
    PlanEndReason named plan-end-reason 0..1 MS and
    ClientView named client-view 0..1 MS
* activity MS
* activity.reference MS
* activity.progress MS
* activity.outcomeReference MS
* activity.outcomeCodeableConcept MS
* activity.detail MS
* activity.detail.extension contains PlannedService named planned-service 0..1 MS
* activity.detail.code 1..1 MS
* activity.detail.code from PlannedActivity (extensible)
* activity.detail.performer MS
* activity.detail.goal MS
* activity.detail.scheduled[x] MS
* activity.detail.statusReason MS

Profile: KykysiltaGoal
Parent: Goal
Id: kykysilta-goal
Title: "Tavoite"
Description: "A goal of a plan, in the words of whoever expressed it."
* insert Owned
* insert OfClient(subject)
* identifier 1..* MS
* lifecycleStatus MS
* achievementStatus MS
* category MS
* category from https://kykysilta.example/fhir/ValueSet/goal-area (required)
* description.text 1..1 MS
* expressedBy MS
* startDate MS
* statusDate MS
* target MS

Profile: KykysiltaAppointment
Parent: Appointment
Id: kykysilta-appointment
Title: "Tapaaminen tai varattu aika"
Description: "A meeting of the team, or a booked time of a service."
* insert Owned
* identifier 1..* MS
* start MS
* end MS
* appointmentType MS
* appointmentType from https://kykysilta.example/fhir/ValueSet/meeting-type (extensible)
* serviceType MS
* supportingInformation 1..* MS
* participant.actor 1..1 MS
* participant.status MS

Profile: KykysiltaTeam
Parent: CareTeam
Id: kykysilta-team
Title: "Työkyvyn tuen tiimi"
Description: "The multisector team of one client."
* insert Owned
* insert OfClient(subject)
* identifier 1..* MS
* identifier.system 1..1
* identifier.value 1..1
* status 1..1 MS
* name 1..1 MS
* period 1..1 MS
* managingOrganization 1..1 MS
* managingOrganization only Reference(KykysiltaOrganization)
* reasonCode 1..* MS
* reasonCode from https://kykysilta.example/fhir/ValueSet/referral-reason (extensible)
* participant 1..* MS
* participant.member 1..1 MS
* participant.role MS
* participant.period MS
* participant.extension contains Handover named handover 0..1 MS
* note MS

ValueSet: PlannedActivity
Id: planned-activity
Title: "Suunniteltu palvelu tai toimi"
Description: "What an activity of a plan may be: a service, or a step of the plan itself."
* include codes from system https://kykysilta.example/fhir/CodeSystem/service
* include codes from system https://kykysilta.example/fhir/CodeSystem/plan-activity
