"""Templates as resources: parameters, loops, conditions, nested and linked deployments, what a plane takes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from passerelle.plane import Target
from passerelle.templates import text
from passerelle.templates.deployment import Evaluation, values
from passerelle.templates.links import Links
from passerelle.templates.services import Service, gather
from passerelle.templates.wrong import TemplateWrong

TARGET = Target("0000", "local", "here")
API = "Microsoft.ApiManagement/service/apis"
NAMED = "Microsoft.ApiManagement/service/namedValues"


def gathered(folder: Path, template: dict[str, Any], **given: Any) -> Service:
    evaluation = Evaluation(TARGET, Links(str(folder / "main.json"), lambda line: None))
    evaluation.run({"contentVersion": "1.0.0.0", **template}, given, str(folder / "main.json"))
    service = gather(evaluation.found, evaluation.links, lambda id: True)
    service.problems[:0] = evaluation.problems
    return service


def resources(folder: Path, template: dict[str, Any], **given: Any) -> dict[str, Any]:
    service = gathered(folder, template, **given)
    assert [str(each) for each in service.problems] == []
    return service.resources


def named(id: str, **more: Any) -> dict[str, Any]:
    return {"type": NAMED, "apiVersion": "2022-08-01", "name": f"s/{id}", "properties": {"displayName": id}, **more}


def test_parameters_and_variables(tmp_path: Path) -> None:
    template = {
        "parameters": {
            "a": {"type": "string"},
            "b": {"type": "string", "defaultValue": "[concat(parameters('a'), '2')]"},
        },
        "variables": {
            "one": "[variables('two')]",
            "two": "[parameters('b')]",
            "copy": [{"name": "many", "count": 2, "input": "[concat('m', copyIndex('many'))]"}],
        },
        "functions": [
            {
                "namespace": "my",
                "members": {
                    "twice": {
                        "parameters": [{"name": "x", "type": "string"}],
                        "output": {"type": "string", "value": "[concat(parameters('x'), parameters('x'))]"},
                    }
                },
            }
        ],
        "resources": [named("[variables('many')[1]]", name="[concat('s/', variables('one'), my.twice('z'))]")],
    }
    template["resources"][0]["properties"] = {"displayName": "[variables('many')[1]]"}  # type: ignore[index]
    assert resources(tmp_path, template, A="x") == {"/namedValues/x2zz": {"displayName": "m1"}}


def test_loops_conditions_children_and_symbols(tmp_path: Path) -> None:
    api = {
        "type": API,
        "apiVersion": "2022-08-01",
        "name": "[format('s/a{0}', copyIndex(1))]",
        "copy": {"name": "apis", "count": 2},
        "properties": {
            "path": "[concat('p', copyIndex('apis'))]",
            "copy": [
                {"name": "protocols", "count": 2, "input": "[if(equals(copyIndex('protocols'), 0), 'http', 'https')]"}
            ],
        },
        "resources": [
            {"type": "operations", "name": "get", "properties": {"displayName": "[concat('o', copyIndex())]"}}
        ],
    }
    template = {
        "languageVersion": "2.0",
        "resources": {
            "apis": api,
            "off": named("off", condition="[equals(1, 2)]"),
            "there": named("there", existing=True),
            "other": {"type": "Microsoft.Storage/storageAccounts", "name": "x", "properties": {"k": "[listKeys('a')]"}},
            "service": {"type": "Microsoft.ApiManagement/service", "name": "s", "location": "[reference('q').x]"},
        },
    }
    service = gathered(tmp_path, template)
    assert service.problems == []
    assert service.resources == {
        "/apis/a1": {"path": "p0", "protocols": ["http", "https"]},
        "/apis/a2": {"path": "p1", "protocols": ["http", "https"]},
        "/apis/a1/operations/get": {"displayName": "o0"},
        "/apis/a2/operations/get": {"displayName": "o1"},
    }
    assert [what for what, _ in service.skipped] == ["Microsoft.Storage/storageAccounts x", "s"]


def nested(template: dict[str, Any], name: str = "inner", **properties: Any) -> dict[str, Any]:
    whole = {"mode": "Incremental", "template": template, **properties}
    return {"type": "Microsoft.Resources/deployments", "apiVersion": "2021-04-01", "name": name, "properties": whole}


def test_nested_deployments_and_what_they_give_out(tmp_path: Path) -> None:
    inner = {
        "parameters": {"p": {"type": "string"}},
        "resources": [named("x", properties={"displayName": "[parameters('p')]"})],
        "outputs": {"said": {"type": "string", "value": "[concat(parameters('p'), '!')]"}},
    }
    template = {
        "parameters": {"p": {"type": "string", "defaultValue": "outer"}},
        "resources": [
            named("y", properties={"displayName": "[reference('inner').outputs.said.value]"}),
            nested(
                inner,
                parameters={"p": {"value": "[concat(parameters('p'), '1')]"}},
                expressionEvaluationOptions={"scope": "inner"},
            ),
            nested({"resources": [named("z", properties={"displayName": "[parameters('p')]"})]}, "second"),
            named(
                "w",
                properties={"displayName": f"[reference(resourceId('{NAMED}', 's', 'z2')).displayName]"},
            ),
            named("z2"),
        ],
    }
    found = resources(tmp_path, template)
    assert {id: each["displayName"] for id, each in found.items()} == {
        "/namedValues/x": "outer1",
        "/namedValues/y": "outer1!",
        "/namedValues/z": "outer",
        "/namedValues/w": "z2",
        "/namedValues/z2": "z2",
    }


def test_loops_of_modules_as_bicep_compiles_them(tmp_path: Path) -> None:
    inner = {
        "parameters": {"n": {"type": "int"}},
        "resources": [],
        "outputs": {"id": {"type": "string", "value": "[format('/apis/a{0}', parameters('n'))]"}},
    }
    options = {"parameters": {"n": {"value": "[copyIndex()]"}}, "expressionEvaluationOptions": {"scope": "inner"}}
    module = nested(inner, "[format('m{0}', copyIndex())]", **options)
    ids = "[join(map(references('mod'), lambda('m', lambdaVariables('m').outputs.id.value)), ' ')]"
    template = {
        "languageVersion": "2.0",
        "resources": {
            "all": named("all", properties={"displayName": ids}, dependsOn=["mod"]),
            "one": named("one", properties={"displayName": "[reference('mod[1]').outputs.id.value]"}),
            "mod": {**module, "copy": {"name": "mod", "count": 2, "mode": "serial"}},
        },
    }
    found = resources(tmp_path, template)
    assert [each["displayName"] for each in found.values()] == ["/apis/a0 /apis/a1", "/apis/a1"]


def test_linked_templates_and_policies_beside_them(tmp_path: Path) -> None:
    """As the Resource Kit writes them: addresses of a storage account that held these files."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.xml").write_text("<policies />")
    policy = {
        "type": f"{API}/policies",
        "name": "[concat(parameters('service'), '/a/policy')]",
        "properties": {"value": "[concat(parameters('base'), '/a.xml', '?sas')]", "format": "rawxml-link"},
    }
    linked = {"parameters": {"service": {"type": "string"}, "base": {"type": "string"}}, "resources": [policy]}
    (tmp_path / "a.template.json").write_text("// made by a tool\n" + json.dumps(linked))
    deployment = {
        "type": "Microsoft.Resources/deployments",
        "name": "a",
        "properties": {
            "templateLink": {"uri": "[concat(parameters('LinkedTemplatesBaseUrl'), '/a.template.json?sas')]"},
            "parameters": {"service": {"value": "s"}, "base": {"value": "https://store.example/x/policies"}},
        },
    }
    template = {"parameters": {"LinkedTemplatesBaseUrl": {"type": "string"}}, "resources": [deployment]}
    for base in ("https://store.example/container", ".", "", "./"):
        found = resources(tmp_path, template, LinkedTemplatesBaseUrl=base)
        assert found == {"/apis/a/policies/policy": {"value": "<policies />", "format": "rawxml"}}
    relative = json.loads(json.dumps(template))
    relative["resources"][0]["properties"]["templateLink"] = {"relativePath": "a.template.json"}
    assert list(resources(tmp_path, relative, LinkedTemplatesBaseUrl="")) == ["/apis/a/policies/policy"]


def test_shapes_of_former_versions(tmp_path: Path) -> None:
    template = {
        "resources": [
            {"type": "Microsoft.ApiManagement/service/properties", "name": "s/n", "properties": {"displayName": "n"}},
            {"type": "Microsoft.ApiManagement/service/api-version-sets", "name": "s/v", "properties": {}},
            {"type": f"{API}/policies", "name": "s/a/policy", "properties": {"policyContent": "<policies />"}},
            {"type": API, "name": "s/a", "properties": {"contentValue": "{}", "contentFormat": "swagger-json"}},
            {
                "type": "Microsoft.ApiManagement/service/subscriptions",
                "name": "s/u",
                "properties": {"productId": "/products/p", "userId": "/users/1", "name": "U"},
            },
            {
                "type": "Microsoft.ApiManagement/service/diagnostics",
                "name": "s/d",
                "properties": {"loggerId": "[resourceId('Microsoft.ApiManagement/service/loggers', 's', 'l')]"},
            },
        ]
    }
    assert resources(tmp_path, template) == {
        "/namedValues/n": {"displayName": "n"},
        "/apiVersionSets/v": {},
        "/apis/a/policies/policy": {"value": "<policies />", "format": "xml"},
        "/apis/a": {"value": "{}", "format": "swagger-json"},
        "/subscriptions/u": {"scope": "/products/p", "ownerId": "/users/1", "displayName": "U"},
        "/diagnostics/d": {"loggerId": "/loggers/l"},
    }


def test_numbers_and_truths_as_texts(tmp_path: Path) -> None:
    product = {"subscriptionRequired": "True", "subscriptionsLimit": "[string(3)]", "displayName": "1"}
    found = resources(
        tmp_path,
        {"resources": [{"type": "Microsoft.ApiManagement/service/products", "name": "s/p", "properties": product}]},
    )
    assert found == {"/products/p": {"subscriptionRequired": True, "subscriptionsLimit": 3, "displayName": "1"}}


def test_the_same_api_twice_is_merged_by_order(tmp_path: Path) -> None:
    first = {"type": API, "name": "s/a", "properties": {"path": "a", "displayName": "first"}}
    again = {**first, "properties": {"displayName": "second"}}
    initial = nested({"resources": [first]}, "initial")
    subsequent = nested({"resources": [again]}, "subsequent") | {
        "dependsOn": ["[resourceId('Microsoft.Resources/deployments', 'initial')]"]
    }
    found = resources(tmp_path, {"resources": [subsequent, initial]})
    assert found == {"/apis/a": {"path": "a", "displayName": "second"}}


def test_every_problem_is_told_with_its_place(tmp_path: Path) -> None:
    template = {
        "resources": [
            named("a", properties={"value": ["[reference('elsewhere').key]"]}),
            named("b", properties={"value": "[nothing()]"}),
            nested({"resources": [named("c", properties={"value": "[parameters('c')]"})]}),
            {"type": API, "name": "s/a/b", "properties": {}},
            {"name": "s"},
        ]
    }
    told = [str(each).replace(str(tmp_path), "") for each in gathered(tmp_path, template).problems]
    assert len(told) == 5
    assert any(
        each.startswith("/main.json/resources/0 (/namedValues/a)/properties/value/0: reference()") for each in told
    )
    assert any("resources/1 (/namedValues/b)/properties/value: there is no function nothing()" in each for each in told)
    assert any("resources/2/properties/template/resources/0" in each for each in told)
    assert any("the name of a Microsoft.ApiManagement/service/apis has 2 parts, not 3" in each for each in told)


@pytest.mark.parametrize(
    ("template", "given", "why"),
    [
        ({}, {}, 'no "resources"'),
        ({"parameters": {"a": {"type": "string"}}, "resources": []}, {}, "no value for a"),
        ({"resources": []}, {"b": 1}, "no parameter b"),
        (
            {"parameters": {"a": {"type": "int"}}, "resources": [named("[parameters('a')]", name="[parameters('a')]")]},
            {"a": "x"},
            "type int",
        ),
        (
            {"variables": {"v": "[variables('v')]"}, "resources": [named("x", name="[variables('v')]")]},
            {},
            "made of itself",
        ),
        (
            {
                "variables": {"v0": "0123456789abcdef"}
                | {f"v{n}": f"[concat(variables('v{n - 1}'), variables('v{n - 1}'))]" for n in range(1, 40)},
                "resources": [named("x", name="[variables('v39')]")],
            },
            {},
            "more than 16777216 characters",
        ),
        ({"resources": [named("x")], "variables": {"copy": True}}, {}, "has not the shape"),
        ({"resources": [named("x", dependsOn=True)]}, {}, "has not the shape"),
        ({"resources": [nested({"resources": []}, parameters=True)]}, {}, ""),
        ({"resources": [named("x", copy={"name": "l", "count": 99999})]}, {}, "up to 10000"),
    ],
)
def test_templates_that_are_wrong(tmp_path: Path, template: dict[str, Any], given: dict[str, Any], why: str) -> None:
    problems = gathered(tmp_path, template, **given).problems
    assert why in " ".join(str(each) for each in problems)


def test_the_text_of_a_template() -> None:
    assert text.read('{/* a */ "a": "// no comment", // b\n "b": "two\nlines", }', "t.json") == {
        "a": "// no comment",
        "b": "two\nlines",
    }
    with pytest.raises(TemplateWrong, match="nested deeper"):
        text.read('{"a":' * 200 + "1" + "}" * 200, "t.json")
    with pytest.raises(TemplateWrong, match=r"t\.json, line 2, column 1"):
        text.read("{\n]", "t.json")
    with pytest.raises(TemplateWrong, match=r"az bicep build --file x\.bicep"):
        text.read("param a string", "x.bicep")
    with pytest.raises(TemplateWrong, match="key vault: give its value by --set p=@FILE"):
        values({"parameters": {"p": {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}}}, "p.json")
