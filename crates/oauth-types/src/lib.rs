//! The wire of OAuth 2.1 for MCP: documents, requests, responses, errors and identifiers, parsed strictly.
