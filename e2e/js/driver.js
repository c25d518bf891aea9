'use strict'
// Runs the published client for the Go test: one JSON command a line on standard input, one JSON answer a
// line on standard output. The client itself is unmodified; only its axios gets an adapter that sends what
// it addresses to https://{project}.{host} to the server on loopback, with that host in the Host header.
//
// command: {project, on: "auth" | "users", method, args, headers?, adminToken?}
// answer:  {result, error?, exchange: {method, path, body, status, headers, data, sentHeaders}, appDetail?}

const axios = require('axios')
const readline = require('node:readline')
const createClient = require('@deskree/deskree-js').default

const address = process.env.DOORWARD_ADDRESS // 127.0.0.1:PORT
const port = address.split(':')[1]
const host = `api.localhost:${port}`

let pending = null // the request of the running command
let extraHeaders = {}

// Some methods of the client drop the promise of their request. The adapter keeps it, so nothing is lost.
process.on('unhandledRejection', () => {})

function adapter (config) {
  const url = new URL(config.baseURL)
  config.headers.set('Host', url.host)
  for (const [name, value] of Object.entries(extraHeaders)) config.headers.set(name, value)
  const sent = axios.getAdapter('http')({
    ...config,
    baseURL: config.baseURL.replace(`https://${url.host}`, `http://${address}`),
    proxy: false,
    maxRedirects: 0,
    timeout: 30000
  })
  pending = { config, sent }
  return sent
}

async function exchangeOf ({ config, sent }) {
  const response = await sent.catch(e => { if (e.response) return e.response; throw e })
  const path = new URL(axios.getUri(config)).pathname + new URL(axios.getUri(config)).search
  return {
    method: config.method.toUpperCase(),
    path,
    body: config.data === undefined ? null : config.data,
    status: response.status,
    headers: { ...response.headers },
    data: response.data === '' ? null : response.data,
    sentHeaders: config.headers.toJSON()
  }
}

const clients = new Map()

// One client a project and admin token, as an app has; its database() is there before auth(), so that a
// sign-in authorizes it.
function clientFor (project, adminToken) {
  const key = `${project} ${adminToken ?? ''}`
  if (!clients.has(key)) {
    const client = createClient({ projectId: project, host, adminToken, axios: axios.create({ adapter }) })
    const database = client.database()
    clients.set(key, { database, auth: client.auth() })
  }
  return clients.get(key)
}

async function run (command) {
  const { database, auth } = clientFor(command.project, command.adminToken)
  const target = command.on === 'auth' ? auth : database.from('users')
  pending = null
  extraHeaders = command.headers ?? {}
  const answer = {}
  try {
    const result = await target[command.method](...command.args)
    answer.result = result && result.config && result.status ? { response: result.data === '' ? null : result.data } : { value: result ?? null }
  } catch (e) {
    answer.error = e.response ? e.response.status : String(e)
    // What apps read: axios keeps the answer's body in error.response.data.
    answer.appDetail = e.response?.data?.errors?.errors?.[0]?.detail ?? null
  }
  if (pending) answer.exchange = await exchangeOf(pending)
  return answer
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const answer = await run(JSON.parse(line)).catch(e => ({ error: String(e) }))
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main()
