// Asks for a passkey where a form needs one. Without this, or in a browser without passkeys, such forms stay out of sight.
"use strict";
{
  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
  const known = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

  const create = async (asked) => {
    const user = { ...asked.user, id: bytes(asked.user.id) };
    const publicKey = {
      ...asked,
      user,
      challenge: bytes(asked.challenge),
      excludeCredentials: known(asked.excludeCredentials),
    };
    const { rawId, response } = await navigator.credentials.create({ publicKey });
    return {
      id: text(rawId),
      client_data: text(response.clientDataJSON),
      authenticator_data: text(response.getAuthenticatorData()),
      public_key: text(response.getPublicKey()),
      algorithm: response.getPublicKeyAlgorithm(),
    };
  };

  const get = async (asked) => {
    const publicKey = {
      ...asked,
      challenge: bytes(asked.challenge),
      allowCredentials: known(asked.allowCredentials),
    };
    const { rawId, response } = await navigator.credentials.get({ publicKey });
    return {
      id: text(rawId),
      client_data: text(response.clientDataJSON),
      authenticator_data: text(response.authenticatorData),
      signature: text(response.signature),
      user: response.userHandle ? text(response.userHandle) : null,
    };
  };

  const forms = window.PublicKeyCredential ? document.querySelectorAll("form[data-passkey]") : [];
  for (const form of forms) {
    const asked = JSON.parse(form.dataset.passkey);
    const failed = form.querySelector("[role=alert]");
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      failed.hidden = true;
      try {
        const answer = await (asked.user ? create(asked) : get(asked));
        form.elements.credential.value = JSON.stringify(answer);
        form.submit();
      } catch {
        // Which of the many reasons it was, the browser does not tell, for the sake of whoever is there.
        failed.hidden = false;
      }
    });
  }
}
