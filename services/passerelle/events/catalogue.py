"""Which model describes the ``data`` of which event type."""

from __future__ import annotations

from typing import Final

from passerelle.core.catalogue import BY_NAME, EVENT_TYPES
from passerelle.events import achievement, credential, member, permission, recognition, reference, transfer
from passerelle.events.base import Model

_MODELS: Final[dict[str, type[Model]]] = {
    "credential.achievement-published": achievement.AchievementData,
    "credential.achievement-revised": achievement.AchievementData,
    "credential.achievement-retired": achievement.RetiredData,
    "credential.achievement-endorsed": achievement.EndorsedData,
    "credential.demand-stated": achievement.DemandData,
    "credential.achievement-outcomes-reported": achievement.OutcomesReportedData,
    "credential.issued": credential.CredentialData,
    "credential.co-awarded": credential.CoAwardedData,
    "credential.amended": credential.AmendedData,
    "credential.suspended": credential.SuspendedData,
    "credential.reinstated": credential.ReinstatedData,
    "credential.revoked": credential.RevokedData,
    "credential.erased": credential.ErasedData,
    "credential.release-granted": credential.ReleaseGrantedData,
    "credential.release-withdrawn": credential.ReleaseWithdrawnData,
    "recognition.requested": recognition.RequestedData,
    "recognition.returned": recognition.ReturnedData,
    "recognition.resubmitted": recognition.ResubmittedData,
    "recognition.forwarded": recognition.ForwardedData,
    "recognition.declined": recognition.DeclinedData,
    "recognition.granted": recognition.GrantedData,
    "recognition.revised": recognition.RevisedData,
    "recognition.confirmed": recognition.ConfirmedData,
    "recognition.ended": recognition.EndedData,
    "recognition.denied": recognition.DeniedData,
    "recognition.assessed": recognition.AssessedData,
    "recognition.denied-individually": recognition.DeniedIndividuallyData,
    "transfer.requested": transfer.CaseRequestedData,
    "transfer.evidence-added": transfer.EvidenceAddedData,
    "transfer.information-requested": transfer.InformationRequestedData,
    "transfer.decided": transfer.DecidedData,
    "transfer.posted": transfer.PostedData,
    "transfer.adjusted": transfer.AdjustedData,
    "transfer.appealed": transfer.AppealedData,
    "transfer.withdrawn": transfer.WithdrawnData,
    "transfer.closed": transfer.ClosedData,
    "transfer.permission-granted": permission.PermissionGrantedData,
    "transfer.permission-amended": permission.PermissionAmendedData,
    "transfer.permission-refused": permission.PermissionRefusedData,
    "transfer.permission-withdrawn": permission.PermissionWithdrawnData,
    "reference.framework-published": achievement.FrameworkData,
    "reference.scale-published": reference.ScaleData,
    "reference.policy-published": reference.PolicyData,
    "reference.organisation-listed": achievement.OrganisationData,
    "reference.delegation-published": reference.DelegationData,
    "member.admitted": member.AdmittedData,
    "member.keys-changed": member.KeysChangedData,
    "member.roles-changed": member.RolesChangedData,
    "member.suspended": member.MemberSuspendedData,
    "member.removed": member.MemberRemovedData,
}

DATA_MODELS: Final[dict[str, type[Model]]] = {BY_NAME[name].full: model for name, model in _MODELS.items()}
"""By CloudEvents ``type``; every type of the catalogue has one."""

assert DATA_MODELS.keys() == EVENT_TYPES.keys()
