// Talking to the API: its answers, or its own words where it refuses.

const TOKEN_KEY = 'twinscope-token'

/** The API said no. `code` and `status` are the problem's own. */
export class Refused extends Error {
  constructor(message, { code, status }) {
    super(message)
    this.name = 'Refused'
    this.code = code
    this.status = status
  }
}

/** The token lives as long as the browser's tab: the next person at this desk must give their own. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN_KEY) ?? '',
  set: (text) => (text === '' ? sessionStorage.removeItem(TOKEN_KEY) : sessionStorage.setItem(TOKEN_KEY, text)),
}

async function call(method, path, body, headers) {
  let response
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'GET' || token.get() === '' ? {} : { authorization: `Bearer ${token.get()}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch {
    const again = method === 'GET' ? '' : ' Whether it took the request is not known; trying again carries it out once.'
    throw new Refused(`The status service cannot be reached.${again}`, { code: 'unreachable' })
  }
  const text = await response.text()
  let answer
  try {
    answer = text === '' ? undefined : JSON.parse(text)
  } catch {
    throw new Refused(`The service answered ${response.status} with something that is no JSON.`, {
      status: response.status,
    })
  }
  if (!response.ok) {
    throw new Refused(answer?.detail ?? `The service answered ${response.status}.`, {
      code: answer?.code,
      status: response.status,
    })
  }
  return { answer, headers: response.headers }
}

export async function get(path) {
  return (await call('GET', path)).answer
}

/** An answer with its `ETag`. */
export async function getWithTag(path) {
  const { answer, headers } = await call('GET', path)
  return { answer, tag: headers.get('etag') ?? undefined }
}

/** 128 random bits; `crypto.randomUUID` is not there where the console is served without TLS. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Sends what changes something. The same request, sent again by the same sender, is carried out once. */
export function createSender() {
  const keys = new Map()
  return async (method, path, body, headers = {}) => {
    const request = `${method} ${path} ${JSON.stringify(body)}`
    if (!keys.has(request)) keys.set(request, newKey())
    return (await call(method, path, body, { 'idempotency-key': keys.get(request), ...headers })).answer
  }
}

/** A plan changes nothing and needs no key. */
export async function post(path, body) {
  return (await call('POST', path, body)).answer
}
