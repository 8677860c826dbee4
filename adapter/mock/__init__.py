"""The mock national endpoint: a strict, honest FHIR R4 server in one process, and the tools of a tester.

Start it with `adapter.mock.serve.run(MockSettings())`, or inside a test with `running_mock(settings)`.
"""
