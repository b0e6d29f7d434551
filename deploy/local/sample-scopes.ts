// The scopes of the sample pair: a small site, as it could be anywhere.

/** A Kea `subnet4` entry. */
export type SampleSubnet = {
  readonly id: number
  readonly subnet: string
  readonly pools: readonly { readonly pool: string }[]
  readonly 'valid-lifetime'?: number
  readonly 'option-data': readonly { readonly name: string; readonly data: string }[]
  readonly reservations: readonly {
    readonly 'hw-address': string
    readonly 'ip-address': string
    readonly hostname: string
  }[]
}

function options(network: string, domain: string): SampleSubnet['option-data'] {
  return [
    { name: 'routers', data: `${network}.1` },
    { name: 'domain-name-servers', data: '10.0.10.2, 10.0.10.3' },
    { name: 'domain-name', data: domain },
  ]
}

/** Four scopes: desks, telephones, printers, guests. */
export const SAMPLE_SUBNETS: readonly SampleSubnet[] = [
  {
    id: 10,
    subnet: '10.0.10.0/24',
    pools: [{ pool: '10.0.10.100 - 10.0.10.240' }],
    'option-data': options('10.0.10', 'office.example.net'),
    reservations: [
      { 'hw-address': '02:00:00:0a:00:20', 'ip-address': '10.0.10.20', hostname: 'reception' },
      { 'hw-address': '02:00:00:0a:00:21', 'ip-address': '10.0.10.21', hostname: 'meeting-room' },
      { 'hw-address': '02:00:00:0a:00:22', 'ip-address': '10.0.10.22', hostname: 'time-clock' },
    ],
  },
  {
    id: 20,
    subnet: '10.0.20.0/24',
    pools: [{ pool: '10.0.20.50 - 10.0.20.240' }],
    'valid-lifetime': 86_400,
    'option-data': [
      ...options('10.0.20', 'voice.example.net'),
      { name: 'tftp-server-name', data: '10.0.20.5' },
      { name: 'ntp-servers', data: '10.0.20.5' },
    ],
    reservations: [{ 'hw-address': '02:00:00:14:00:10', 'ip-address': '10.0.20.10', hostname: 'front-desk-phone' }],
  },
  {
    id: 30,
    subnet: '10.0.30.0/24',
    pools: [{ pool: '10.0.30.200 - 10.0.30.220' }],
    'option-data': options('10.0.30', 'print.example.net'),
    reservations: [
      { 'hw-address': '02:00:00:1e:00:11', 'ip-address': '10.0.30.11', hostname: 'printer-1' },
      { 'hw-address': '02:00:00:1e:00:12', 'ip-address': '10.0.30.12', hostname: 'printer-2' },
    ],
  },
  {
    id: 40,
    subnet: '10.0.40.0/22',
    pools: [{ pool: '10.0.40.10 - 10.0.42.255' }, { pool: '10.0.43.10 - 10.0.43.200' }],
    'valid-lifetime': 1_800,
    'option-data': options('10.0.40', 'guests.example.net'),
    reservations: [],
  },
]

/**
 * As many scopes as asked for, each with one pool, five options and `reservations` reservations, in 10.0.0.0/8.
 *
 * @param count 1–65536
 */
export function manySubnets(count: number, reservations = 2): readonly SampleSubnet[] {
  return Array.from({ length: count }, (_, index): SampleSubnet => {
    const network = `10.${Math.floor(index / 256)}.${index % 256}`
    const mac = (host: number) =>
      ['02', '00', Math.floor(index / 256), index % 256, Math.floor(host / 256), host % 256]
        .map((part) => (typeof part === 'string' ? part : part.toString(16).padStart(2, '0')))
        .join(':')
    return {
      id: index + 1,
      subnet: `${network}.0/24`,
      pools: [{ pool: `${network}.100 - ${network}.240` }],
      'option-data': [
        ...options(network, `site${index + 1}.example.net`),
        { name: 'ntp-servers', data: `${network}.4` },
        { name: 'broadcast-address', data: `${network}.255` },
      ],
      reservations: Array.from({ length: reservations }, (_, host) => ({
        'hw-address': mac(host + 1),
        'ip-address': `${network}.${host + 5}`,
        hostname: `host-${index + 1}-${host + 1}`,
      })),
    }
  })
}
