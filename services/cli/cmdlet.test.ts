import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCmdlet, parseCmdlet } from './cmdlet.ts'
import { UsageError } from './command.ts'

const nothingElse = { force: false, whatIf: false }

test('the three levels as the cmdlet writes them', () => {
  assert.deepEqual(parseCmdlet(['-ComputerName', 'dhcp1.example.net']), {
    computerName: 'dhcp1.example.net',
    ...nothingElse,
  })
  assert.deepEqual(parseCmdlet(['-ComputerName', 'dhcp1', '-Name', 'dhcp1-dhcp2', '-Force']), {
    computerName: 'dhcp1',
    name: 'dhcp1-dhcp2',
    force: true,
    whatIf: false,
  })
  assert.deepEqual(parseCmdlet(['-ComputerName', 'dhcp1', '-ScopeId', '10.0.10.0,10.0.20.0', '-WhatIf']), {
    computerName: 'dhcp1',
    scopeId: ['10.0.10.0', '10.0.20.0'],
    force: false,
    whatIf: true,
  })
})

test('names in any case, abbreviated, with the alias, with a colon', () => {
  const wanted = { computerName: 'dhcp1', scopeId: ['10.0.10.0'], force: true, whatIf: true }
  assert.deepEqual(parseCmdlet(['-computername', 'dhcp1', '-SCOPEID', '10.0.10.0', '-force', '-whatif']), wanted)
  assert.deepEqual(parseCmdlet(['-Comp', 'dhcp1', '-S', '10.0.10.0', '-F', '-W']), wanted)
  assert.deepEqual(parseCmdlet(['-Cn', 'dhcp1', '-ScopeId:10.0.10.0', '-Force:$true', '-wi']), wanted)
})

test('lists with spaces around the commas', () => {
  for (const words of [
    ['10.0.10.0,', '10.0.20.0'],
    ['10.0.10.0', ',10.0.20.0'],
    ['10.0.10.0', ',', '10.0.20.0'],
    ['"10.0.10.0",', "'10.0.20.0'"],
  ]) {
    assert.deepEqual(parseCmdlet(['-ScopeId', ...words, '-ComputerName', 'dhcp1']).scopeId, ['10.0.10.0', '10.0.20.0'])
  }
})

test('dashes that come with text copied from a web page', () => {
  for (const dash of ['\u2013', '\u2014', '\u2015']) {
    assert.deepEqual(parseCmdlet([`${dash}ComputerName`, 'dhcp1', `${dash}Force`]), {
      computerName: 'dhcp1',
      force: true,
      whatIf: false,
    })
  }
  assert.ok(isCmdlet('Invoke\u2013DhcpServerv4FailoverReplication'))
  assert.ok(isCmdlet('invoke-dhcpserverv4failoverreplication'))
  assert.ok(!isCmdlet('Invoke-DhcpServerv4Failover'))
})

test('-Confirm:$false is -Force, and a switch can be switched off', () => {
  assert.equal(parseCmdlet(['-ComputerName', 'dhcp1', '-Confirm:$false']).force, true)
  assert.equal(parseCmdlet(['-ComputerName', 'dhcp1', '-Force:$false']).force, false)
})

test('what is wrong is said with what was expected', () => {
  const cases: readonly [readonly string[], RegExp][] = [
    [[], /-ComputerName is missing/],
    [['-ComputerName'], /-ComputerName needs a value/],
    [['-ComputerName', 'a,b'], /-ComputerName takes one value/],
    [['-ComputerName', 'dhcp1', '-Name', 'r', '-ScopeId', '10.0.10.0'], /-Name or -ScopeId, not both/],
    [['-C', 'dhcp1'], /-C is ambiguous: -ComputerName, -Confirm, -CimSession/],
    [['-Computer', 'dhcp1', '-Colour', 'red'], /no parameter -Colour; it has -ComputerName, -Name/],
    [['dhcp1'], /"dhcp1" belongs to no parameter/],
    [['-ComputerName', 'dhcp1', '-ScopeId', '10.0.10.0', '10.0.20.0'], /"10\.0\.20\.0" belongs to no parameter/],
    [['-ComputerName', 'dhcp1', '-AsJob'], /-AsJob is not supported here; use `twinscope replicate … --no-wait`/],
    [['-ComputerName', 'dhcp1', '-computername', 'dhcp2'], /given twice/],
  ]
  for (const [words, message] of cases) {
    assert.throws(
      () => parseCmdlet(words),
      (error) => error instanceof UsageError && message.test(error.message),
      words.join(' '),
    )
  }
})
