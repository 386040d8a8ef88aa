from nexi_payments.simulator.server import main

main()
