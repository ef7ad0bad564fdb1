/** The type ids that the implementation needs too: here, so that it does not import the public modules back. */
export const ListenerTypeId: unique symbol = Symbol.for("@copas/core/Listener")
export const SocketTypeId: unique symbol = Symbol.for("@copas/core/Socket")
export const DatagramSocketTypeId: unique symbol = Symbol.for("@copas/core/DatagramSocket")
export const CertificateTypeId: unique symbol = Symbol.for("@copas/core/Certificate")
export const TlsContextTypeId: unique symbol = Symbol.for("@copas/core/Tls/Context")
