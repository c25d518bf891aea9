// Passkeys (Web Authentication): a form with data-passkey asks the server for options, has the browser make or use a passkey, and sends what it answers in its field
// "credential". data-options is where the options come from; the form's other fields go along. data-again is the page, which says what to do where the server lets
// nobody go on from this form: the sign-in has ended, or is not recent any more.

const bytes = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0))

const text = buffer => {
  if (!buffer) return undefined
  let binary = ''
  for (const b of new Uint8Array(buffer)) binary += String.fromCharCode(b)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

const descriptors = list => list?.map(d => ({...d, id: bytes(d.id)}))

const create = options => navigator.credentials.create({publicKey: {
  ...options, challenge: bytes(options.challenge), user: {...options.user, id: bytes(options.user.id)}, excludeCredentials: descriptors(options.excludeCredentials),
}})

const get = options => navigator.credentials.get({publicKey: {
  ...options, challenge: bytes(options.challenge), allowCredentials: descriptors(options.allowCredentials),
}})

const encode = c => JSON.stringify({
  id: c.id, rawId: text(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment ?? undefined, clientExtensionResults: c.getClientExtensionResults(),
  response: {
    clientDataJSON: text(c.response.clientDataJSON), attestationObject: text(c.response.attestationObject), authenticatorData: text(c.response.authenticatorData),
    signature: text(c.response.signature), userHandle: text(c.response.userHandle), transports: c.response.getTransports?.(),
  },
})

async function prove(form) {
  const answer = await fetch(form.dataset.options, {method: 'POST', body: new URLSearchParams(new FormData(form))})
  if (answer.redirected || answer.status === 401 || answer.status === 403) return location.replace(form.dataset.again)
  if (!answer.ok) throw new Error(answer.headers.get('x-problem') ?? '')
  const {options, ...fields} = await answer.json()
  for (const [name, value] of Object.entries(fields)) form.elements[name].value = value
  const publicKey = options.publicKey ?? options
  form.elements.credential.value = encode(await (form.dataset.passkey === 'create' ? create(publicKey) : get(publicKey)))
  form.submit()
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const button = form.querySelector('button'), problem = form.querySelector('[role=alert]')
  if (!window.PublicKeyCredential) {
    form.hidden = true
    continue
  }
  form.addEventListener('submit', async event => {
    event.preventDefault()
    button.disabled = true
    problem.hidden = true
    try {
      await prove(form)
    } catch {
      problem.hidden = false
      button.disabled = false
      button.focus()
    }
  })
}
