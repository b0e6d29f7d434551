import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ConfigurationError,
  loadConfiguration,
  parseConfiguration,
  parseDuration,
  resolveServerName,
} from './configuration.ts'

const GOOD = `servers:
  - name: dhcp1.example.net
    kind: kea
    control: unix:/run/kea/kea4-ctrl-socket
    config-file: /etc/kea/kea-dhcp4.conf
  - name: dhcp2.example.net
    kind: kea
    control: http://127.0.0.1:8001/
    exclusive: true
  - name: win1.example.net
    kind: windows
    transport: local
relationships:
  - name: dhcp1-dhcp2
    servers: [dhcp1.example.net, dhcp2]
    authority: dhcp1
    mode: automatic
    quiet-period: 500ms
    limits:
      delete-ratio: 0.5
`

/** `line path: message` of each problem. */
function problemsOf(text: string): readonly string[] {
  try {
    parseConfiguration(text, 'twinscope.yaml')
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error))
    return error.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`)
  }
  assert.fail('no problem was found')
}

test('a configuration has its names in full and every default', () => {
  const { relationships, servers } = parseConfiguration(GOOD, 'twinscope.yaml')
  assert.equal(servers.length, 3)
  assert.deepEqual(relationships, [
    {
      name: 'dhcp1-dhcp2',
      servers: ['dhcp1.example.net', 'dhcp2.example.net'],
      authority: 'dhcp1.example.net',
      mode: 'automatic',
      quietPeriodMs: 500,
      soakDelayMs: 0,
      windows: { allow: [], freeze: [], timeZone: 'UTC' },
      ignore: [],
      onForeignEdit: 'hold',
      onConflict: 'hold',
      prune: 'ask',
      onAuthorityLoss: 'hold',
      limits: {
        maxDeleteRatio: 0.5,
        maxUpdateRatio: 0.3,
        minObjects: 10,
        maxScopesRatio: 0.2,
        maxScopeDeletes: 1,
      },
    },
  ])
})

test('without a mode a relationship is only observed', () => {
  const { relationships } = parseConfiguration(GOOD.replace('    mode: automatic\n', ''), 'x')
  assert.equal(relationships[0]?.mode, 'observe')
})

test('all problems come in one error, each with its line and what is expected', () => {
  const problems = problemsOf(`servers:
  - name: dhcp1
    kind: kea
    control: /run/kea.sock
  - name: dhcp2
    kind: kae
  - name: dhcp3
    kind: kea
    control: http://x/
    exlusive: true
  - kind: kea
    control: http://x/
relationships:
  - name: a-b
    servers: [dhcp1]
    authority: dhcp1
    mode: auto
    quiet-period: 2 seconds
    limits: {delete-ratio: 30}
relationship: []
`)
  const expected = [
    /^4 servers\[0\]\.control: "\/run\/kea\.sock": expected `unix:/,
    /^6 servers\[1\]\.kind: "kae": expected one of kea, simulated, windows/,
    /^10 servers\[2\]\.exlusive: unknown key "exlusive"\. Did you mean exclusive\?/,
    /^11 servers\[3\]: "name" is missing/,
    /^15 relationships\[0\]\.servers: \["dhcp1"\]: expected/,
    /^17 relationships\[0\]\.mode: "auto": expected one of automatic, manual, observe/,
    /^18 relationships\[0\]\.quiet-period: "2 seconds": expected A number and `ms`/,
    /^19 relationships\[0\]\.limits\.delete-ratio: 30: expected/,
    /^20 relationship: unknown key "relationship"\. Did you mean relationships\?/,
  ]
  for (const pattern of expected) {
    assert.ok(
      problems.some((problem) => pattern.test(problem)),
      `${pattern} in\n${problems.join('\n')}`,
    )
  }
  assert.equal(problems.length, expected.length, problems.join('\n'))
})

test('names must be known, unique, and two', () => {
  const problems = problemsOf(`servers:
  - {name: dhcp1.example.net, kind: simulated, control: 'http://x/'}
  - {name: dhcp2.example.net, kind: simulated, control: 'http://x/'}
  - {name: DHCP1.example.net, kind: simulated, control: 'http://x/'}
relationships:
  - {name: one, servers: [dhcp1.example.net, dhcp3.example.net], authority: dhcp1.example.net}
  - {name: two, servers: [dhcp2, dhcp2.example.net], authority: dhcp2}
  - {name: ONE, servers: [dhcp1.example.net, dhcp2], authority: elsewhere}
`)
  assert.match(problems[0] ?? '', /^4 servers\[2\]\.name: "DHCP1\.example\.net" is there twice/)
  assert.match(problems[1] ?? '', /^6 .*unknown server "dhcp3\.example\.net"\. Did you mean DHCP1/)
  assert.match(problems[2] ?? '', /^7 .*both servers are "dhcp2\.example\.net"/)
  assert.match(problems[3] ?? '', /^8 relationships\[2\]\.name: "ONE" is there twice; first as relationships\[0\]/)
  assert.match(problems[4] ?? '', /^8 .*authority: "elsewhere" is none of its servers; expected dhcp1.* or dhcp2/)
  assert.equal(problems.length, 5, problems.join('\n'))
})

test('what is not YAML is said with its line, and what is no configuration too', () => {
  assert.match(problemsOf('servers:\n  - name: "x\n')[0] ?? '', /^\d+ : not YAML/)
  assert.match(problemsOf('servers: []\nservers: []\n')[0] ?? '', /^2 : not YAML/)
  for (const text of ['', 'just text', '- a\n- b\n']) assert.match(problemsOf(text)[0] ?? '', /expected the keys/)
  assert.match(problemsOf('servers: []\n')[0] ?? '', /^1 servers: expected a list with at least one server/)
  assert.match(problemsOf('servers: [7]\n')[0] ?? '', /^1 servers\[0\]: 7: expected a server/)
})

test('what is allowed but probably not meant is a warning', () => {
  const { warnings } = parseConfiguration(GOOD.replace('    exclusive: true\n', ''), 'x')
  assert.equal(warnings.length, 2)
  assert.match(warnings[0]?.message ?? '', /dhcp2\.example\.net can be read, not written/)
  assert.equal(warnings[0]?.line, 6)
  assert.match(warnings[1]?.message ?? '', /win1\.example\.net: the driver for Windows comes with a later version/)
})

test('a file that is not there is a problem like any other', () => {
  assert.throws(() => loadConfiguration('/nowhere/twinscope.yaml'), {
    name: 'ConfigurationError',
    message: '/nowhere/twinscope.yaml:1: there is no such file; expected the configuration',
  })
})

test('a short name is enough where only one server has it', () => {
  const config = parseConfiguration(
    `servers:
  - {name: dhcp1.a.net, kind: simulated, control: 'http://x/'}
  - {name: dhcp1.b.net, kind: simulated, control: 'http://x/'}
  - {name: dhcp2.a.net, kind: simulated, control: 'http://x/'}
`,
    'x',
  )
  assert.equal(resolveServerName(config, 'DHCP2'), 'dhcp2.a.net')
  assert.equal(resolveServerName(config, 'dhcp1'), undefined)
  assert.equal(resolveServerName(config, 'dhcp1.B.net'), 'dhcp1.b.net')
  assert.equal(resolveServerName(config, 'dhcp3'), undefined)
})

test('durations are milliseconds', () => {
  assert.deepEqual(['0s', '250ms', '2s', '5m', '1h'].map(parseDuration), [0, 250, 2_000, 300_000, 3_600_000])
  assert.throws(() => parseDuration('2 s'))
})

test('two relationships between the same servers cannot have opposite authorities', () => {
  const opposite = `${GOOD}  - name: backwards
    servers: [dhcp2, dhcp1]
    authority: dhcp2
`
  const [problem = '', ...others] = problemsOf(opposite)
  assert.deepEqual(others, [])
  assert.match(problem, /relationships\[0\] is between the same servers and names dhcp1\.example\.net/)
})

test('a wrong type hides no wrong name, and all problems come in the order of the file', () => {
  const problems = problemsOf(`servers:
  - name: a
    kind: simulated
    control: http://127.0.0.1:1/
    exclusive: maybe
  - name: a
    kind: simulated
    control: http://127.0.0.1:2/
relationships:
  - name: r
    servers: [a, nosuch]
    authority: b
    mode: sometimes
`)
  assert.deepEqual(
    problems.map((problem) => Number(problem.split(' ')[0])),
    [5, 6, 11, 12, 13],
  )
  assert.match(problems[0] ?? '', /"maybe": expected true or false/)
})

/** The good configuration with more lines for its relationship, which begin at line 21. */
const withPolicies = (...lines: readonly string[]) => `${GOOD}${lines.map((line) => `    ${line}\n`).join('')}`

test('soak delay, windows and ignored fields are read', () => {
  const text = withPolicies(
    'soak-delay: 10m',
    "allow-windows: ['Mon-Fri 22:00-05:00']",
    'freeze-windows:',
    '  - 2026-12-24',
    '  - 2026-12-26 00:00 to 2027-01-07 00:00',
    'time-zone: Europe/Vienna',
    'ignore: [options.66, properties.valid-lifetime]',
  )
  const { relationships, warnings } = parseConfiguration(text, 'x')
  const { soakDelayMs, windows, ignore } = relationships[0] ?? {}
  assert.deepEqual(ignore, ['options.66', 'properties.valid-lifetime'])
  assert.equal(soakDelayMs, 600_000)
  assert.deepEqual(windows, {
    allow: ['Mon-Fri 22:00-05:00'],
    freeze: ['2026-12-24', '2026-12-26 00:00 to 2027-01-07 00:00'],
    timeZone: 'Europe/Vienna',
  })
  assert.deepEqual(
    warnings.filter(({ path }) => path.startsWith('relationships')),
    [],
  )
})

test('a window that cannot be understood is reported with its own line and what is expected', () => {
  const problems = problemsOf(
    withPolicies(
      'allow-windows:',
      '  - Mon-Fri 22:00-05:00',
      '  - weekends',
      'freeze-windows: [2026-13-01]',
      'time-zone: Europe/Viena',
    ),
  )
  assert.match(problems[0] ?? '', /^23 relationships\[0\]\.allow-windows\[1\]: "weekends" is no allow window; expected/)
  assert.match(problems[1] ?? '', /^24 relationships\[0\]\.freeze-windows\[0\]: "2026-13-01 00:00" is no date/)
  assert.match(problems[2] ?? '', /^25 relationships\[0\]\.time-zone: .* Did you mean Europe\/Vienna/)
  assert.equal(problems.length, 3, problems.join('\n'))
})

test('a field that cannot be ignored is reported with its line and what is expected', () => {
  const problems = problemsOf(withPolicies('ignore:', '  - options.66', '  - ranges', '  - options.900'))
  assert.equal(problems.length, 2, problems.join('\n'))
  assert.match(problems[0] ?? '', /^23 .*ignore\[1\]: "ranges" cannot be ignored; expected a parameter of the scope/)
  assert.match(problems[1] ?? '', /^24 .*ignore\[2\]: "options.900" cannot be ignored/)
})

test('windows that never open are an error', () => {
  const [problem = '', ...others] = problemsOf(
    withPolicies("allow-windows: ['Sat 01:00-03:00']", "freeze-windows: ['Sat,Sun 00:00-24:00']"),
  )
  assert.deepEqual(others, [])
  assert.match(problem, /^21 .*allow-windows: the freeze windows leave no minute .* nothing would ever be written/)
})

test('policies that do not do what they seem to are warnings', () => {
  const warningsOf = (text: string) =>
    parseConfiguration(text, 'x')
      .warnings.filter(({ path }) => path.startsWith('relationships'))
      .map(({ line, path, message }) => `${line} ${path}: ${message}`)
  const one = (text: string, pattern: RegExp) => {
    const warnings = warningsOf(text)
    assert.equal(warnings.length, 1, `${pattern}:\n${warnings.join('\n')}`)
    assert.match(warnings[0] ?? '', pattern)
  }
  assert.deepEqual(warningsOf(GOOD), [])
  one(
    withPolicies('prune: on').replace('delete-ratio: 0.5', 'max-scope-deletes: 0'),
    /^21 .*prune: .*while max-scope-deletes is 0: every deletion is held/,
  )
  one(withPolicies('on-conflict: authority-wins'), /^21 .*on-conflict: .*overwritten as soon as the authoritative/)
  assert.deepEqual(warningsOf(withPolicies('on-conflict: authority-wins', 'on-foreign-edit: revert')), [])
  one(withPolicies('soak-delay: 500ms'), /^21 .*soak-delay: both count from the last change/)
  assert.deepEqual(warningsOf(withPolicies('soak-delay: 501ms')), [])
  one(withPolicies('time-zone: UTC'), /^21 .*time-zone: there are no allow-windows and no freeze-windows/)
  one(GOOD.replace('mode: automatic', 'mode: manual'), /^14 .*mode is manual: .* do not wait for quiet-period/)
  one(GOOD.replace('mode: automatic', 'mode: observe'), /mode is observe, .*no effect: quiet-period, limits/)
  one(
    GOOD.replace('    mode: automatic\n', ''),
    /without a mode it is only observed, .*no effect: quiet-period, limits/,
  )
})
