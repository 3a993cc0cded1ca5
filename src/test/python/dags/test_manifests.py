"""What lies in jobs/kubernetes has only fields that Kubernetes knows."""

import kubernetes.client.models
import pytest
import yaml
from conftest import ROOT
from kubeflow_spark_api.models import IoK8sApiCoreV1PodTemplateSpec

FOLDER = ROOT / "jobs/kubernetes"


def unknown(value, kind, place=""):
    """Returns the places of a manifest that its kind, a class name of Kubernetes' client, has no field for."""
    if kind.startswith("list["):
        return [found for i, each in enumerate(value) for found in unknown(each, kind[5:-1], f"{place}[{i}]")]
    model = getattr(kubernetes.client.models, kind, None)
    if model is None:
        return []
    names = {name: field for field, name in model.attribute_map.items()}
    return [
        found
        for name, each in value.items()
        for found in (unknown(each, model.openapi_types[names[name]], f"{place}.{name}") if name in names else [f"{place}.{name}"])
    ]


def test_an_unknown_field_is_found():
    role = {"kind": "Role", "rules": [{"verbs": ["get"], "apiGroup": [""]}]}
    assert unknown(role, "V1Role") == [".rules[0].apiGroup"]


def test_the_rights_are_objects_of_one_namespace_without_wildcards_or_secrets():
    objects = list(yaml.safe_load_all((FOLDER / "rbac.yaml").read_text()))
    assert [each["kind"] for each in objects] == ["ServiceAccount", "Role", "RoleBinding", "Role", "Role"]
    for each in objects:
        assert unknown(each, "V1" + each["kind"]) == []
        assert each["metadata"]["namespace"] == "grft"
    rules = [rule for each in objects for rule in each.get("rules", [])]
    assert not any({"*", "secrets"} & {*rule["verbs"], *rule["resources"], *rule["apiGroups"]} for rule in rules)
    account, role, binding = objects[:3]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [account["metadata"]["name"]]


@pytest.mark.parametrize("name", ["driver", "executor"])
def test_a_template_is_a_pod(name):
    pod = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    assert unknown(pod, "V1Pod") == []
    template = {key: pod[key] for key in ("metadata", "spec")}
    assert IoK8sApiCoreV1PodTemplateSpec.from_dict(template).to_dict() == template
