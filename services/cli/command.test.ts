import assert from 'node:assert/strict'
import { test } from 'node:test'
import { twinscope } from './fake-service.ts'

test('what is wrong in a command line is named with what was probably meant', async () => {
  const cases: readonly [readonly string[], RegExp][] = [
    [['aprove', 'X'], /no command "aprove"; did you mean approve\?/],
    [['resotre', 'X'], /did you mean restore\?/],
    [['approve', '--relationshp', 'x'], /there is no option --relationshp\. Did you mean --relationship\?/],
    [['approve', '--relationship'], /--relationship needs a value/],
    [['status', '--why=yes'], /--why takes no value/],
    [['show'], /JOB is missing/],
    [['show', 'A', 'B'], /"B" is one word too many/],
    [['status', '-x'], /there is no option -x/],
  ]
  for (const [args, message] of cases) {
    const ran = await twinscope(args, {})
    assert.deepEqual([ran.exit, ran.calls.length], [2, 0], args.join(' '))
    assert.match(ran.err, message)
  }
})
