// Asks the service of this container whether it is ready: 0 yes, 1 no. The status service
// answers at its HTTP port, the others at their health port.

const { TWINSCOPE_HTTP_PORT, TWINSCOPE_HEALTH_PORT } = process.env

try {
  const response = await fetch(`http://127.0.0.1:${TWINSCOPE_HTTP_PORT ?? TWINSCOPE_HEALTH_PORT}/readyz`)
  process.exitCode = response.ok ? 0 : 1
} catch {
  process.exitCode = 1
}
